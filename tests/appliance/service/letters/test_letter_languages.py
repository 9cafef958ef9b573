"""Each letter is in the language of its recipient, whoever caused it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pyotp
import pytest
from sqlalchemy import text

from appliance import languages
from appliance.languages import Reader, reading
from appliance.model.letters import Letter
from appliance.model.organization import Role
from appliance.model.sign_up import SignUpMode
from appliance.service import (
    Actor,
    Context,
    accounts,
    enrolment,
    factor_removals,
    invitations,
    organizations,
    password_change,
    permits,
    resets,
)
from appliance.store import Store, migration, people
from tests.appliance.clocks import WallClock
from tests.appliance.conftest import sign_up
from tests.appliance.letterbox import delivered
from tests.appliance.members import PASSWORD, again, colleague
from tests.appliance.postgres import Cluster
from tests.appliance.service.letters.conftest import EMAIL, SITE
from tests.browser.pseudo import Pseudo

DEVANAGARI = re.compile("[\u0900-\u097f]")


@pytest.fixture(params=["en", "hi"])
def language(request: pytest.FixtureRequest, context: Context, owner: Actor) -> str:
    """Provides the owner's language; whoever acts reads another one."""
    accounts.choose_language(context, owner, request.param)
    return str(request.param)


@pytest.fixture(autouse=True)
def acting_in_another_language(request: pytest.FixtureRequest) -> Iterator[None]:
    """Serves each test's requests to a reader of the language that the owner does not read."""
    other = "en" if "language" in request.fixturenames and request.getfixturevalue("language") == "hi" else "hi"
    with reading(Reader(languages.loaded()[other])):
        yield


def only(context: Context, recipient: str = EMAIL) -> Letter:
    """Sends what is queued; returns the one letter to a person."""
    (letter,) = (each for each in delivered(context) if each.recipient == recipient)
    return letter


def must_be_in(letter: Letter, language: str) -> None:
    """Checks the subject and each paragraph of a letter; its facts and links are data."""
    paragraphs = [each for each in letter.text.split("\n\n") if not each.startswith("    ")]
    assert len(paragraphs) >= 1
    for each in (letter.subject, *paragraphs):
        assert bool(DEVANAGARI.search(each)) is (language == "hi"), each


def verification(context: Context, owner: Actor, language: str) -> None:
    del owner
    accounts.sign_up(context, email="b@example.net", password=PASSWORD, organization="b", language=language)


def reset(context: Context, owner: Actor, language: str) -> None:
    del owner, language
    resets.ask(context, EMAIL)
    resets.answer_all(context)


def notice(context: Context, owner: Actor, language: str) -> None:
    del language
    password_change.change(context, owner, password=PASSWORD, new_password="staple the correct horse")


def removal(context: Context, owner: Actor, language: str) -> None:
    del language
    quiet = replace(context, sends_mail=False)
    made = pyotp.TOTP(enrolment.propose(quiet, owner, password=PASSWORD).secret)
    enrolment.enable(quiet, owner, code=made.at(context.clock()))
    factor_removals.begin(context, EMAIL)


def stopped_removal(context: Context, owner: Actor, language: str) -> None:
    removal(context, owner, language)
    delivered(context)
    factor_removals.stop(context, colleague(context, owner, Role.OWNER), owner.member_id)


def stopped_by_operator(context: Context, owner: Actor, language: str) -> None:
    removal(context, owner, language)
    delivered(context)
    factor_removals.stop_as_operator(context, EMAIL)


def permit(context: Context, owner: Actor, language: str) -> None:
    del owner
    permits.ask(replace(context, sign_up=SignUpMode.VERIFIED), "b@example.net", language)


def permit_for_an_account(context: Context, owner: Actor, language: str) -> None:
    del owner
    # A stranger asked, who reads the other language.
    permits.ask(replace(context, sign_up=SignUpMode.VERIFIED), EMAIL, "en" if language == "hi" else "hi")


def invitation(context: Context, owner: Actor, language: str) -> None:
    """Invites the owner into another organization, whose owner reads the other language."""
    del owner
    other = sign_up(replace(context, sends_mail=False), "b@example.net")
    accounts.choose_language(context, other, "en" if language == "hi" else "hi")
    invitations.invite(context, other, email=EMAIL, role="viewer")


@pytest.mark.parametrize(
    "cause",
    [
        *(verification, reset, notice, removal, stopped_removal, stopped_by_operator),
        *(permit, permit_for_an_account, invitation),
    ],
)
def test_each_kind_of_letter_is_in_its_recipient_s_language(
    context: Context, owner: Actor, language: str, cause: Callable[[Context, Actor, str], None]
) -> None:
    cause(context, owner, language)
    must_be_in(only(context, "b@example.net" if cause in (verification, permit) else EMAIL), language)


def test_the_end_of_a_removal_is_in_both_languages(context: Context, owner: Actor, clock: WallClock) -> None:
    accounts.choose_language(context, owner, "hi")
    second = colleague(context, owner, Role.OWNER)
    removal(context, owner, "hi")
    told = {each.recipient: each for each in delivered(context)}
    must_be_in(told[EMAIL], "hi")
    must_be_in(told[second.email], "en")
    clock.wait(factor_removals.DELAY)
    factor_removals.finish_due(context)
    told = {each.recipient: each for each in delivered(context)}
    must_be_in(told[EMAIL], "hi")
    must_be_in(told[second.email], "en")


@pytest.mark.parametrize(
    ("language", "when"),
    [
        ("en", "When: 1 Mar 2026, 12:00 UTC"),
        ("en-IN", "When: 1 Mar 2026, 12:00 pm UTC"),
        ("hi", "कब: 1 मार्च 2026, 12:00 pm UTC"),
    ],
)
def test_times_are_written_by_the_language(context: Context, owner: Actor, language: str, when: str) -> None:
    accounts.choose_language(context, owner, language)
    notice(context, again(context, owner), language)
    written = only(context).text.replace("\N{NARROW NO-BREAK SPACE}", " ").replace("PM", "pm")
    assert f"    {when}\n" in written


def test_a_further_language_needs_no_code(context: Context, owner: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    made = replace(languages.loaded()["en"], tag="xx", translations=Pseudo())
    monkeypatch.setitem(languages.loaded(), "xx", made)
    accounts.choose_language(context, owner, "xx")
    notice(context, owner, "xx")
    letter = only(context)
    assert letter.subject == "⟦A change of your account at MeshWG⟧"
    for each in letter.text.strip().split("\n\n"):
        assert each.startswith(("⟦", f"    {SITE}/")) or "    ⟦" in each
    # The catalogue is taken away again: English stays.
    monkeypatch.delitem(languages.loaded(), "xx")
    resets.ask(context, EMAIL)
    resets.answer_all(context)
    must_be_in(only(context), "en")


def test_a_new_person_reads_the_inviter_s_language(context: Context, owner: Actor) -> None:
    accounts.choose_language(context, owner, "hi")
    invitations.invite(context, owner, email="ravi@example.net", role="viewer")
    must_be_in(only(context, "ravi@example.net"), "hi")


def test_a_choice_of_language_leaves_no_trace_in_the_trail(context: Context, owner: Actor) -> None:
    before = organizations.trail(context, owner)[0]
    accounts.choose_language(context, owner, "hi")
    assert organizations.trail(context, owner)[0] == before
    assert accounts.member_of(context, owner).language == "hi"


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_accounts_of_before_read_english(kind: str, tmp_path: Path, cluster: Cluster) -> None:
    name = cluster.create() if kind == "postgresql" else ""
    store = Store(cluster.url(name) if name else f"sqlite:///{tmp_path / 'store.sqlite'}")
    try:
        migration.upgrade(store, to="0030")
        with store.write() as transaction:
            transaction.execute(
                text(
                    "INSERT INTO organizations (id, name, network, port, hub_public_key, sealed_data_key, "
                    "sealed_private_key, plan, policy_default, policy_version, active, created_at, revision) "
                    "VALUES ('o', 'o', '10.0.0.0/8', 1, 'k', 'k', 'k', 'free', 'allow', 1, true, 0, 1)"
                )
            )
            transaction.execute(
                text(
                    "INSERT INTO members (id, organization_id, email, password_hash, role, created_at) "
                    "VALUES ('m', 'o', 'a@example.net', 'h', 'owner', 0)"
                )
            )
        migration.upgrade(store)
        with store.write() as transaction:
            found = people.by_id(transaction, "m")
            assert found is not None
            assert found.language is None
            people.choose_language(transaction, "m", "hi")
            changed = people.by_id(transaction, "m")
        assert changed == replace(found, language="hi")
    finally:
        store.close()
        if name:
            cluster.drop(name)
