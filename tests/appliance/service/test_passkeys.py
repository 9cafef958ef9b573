"""Passkeys: added by who knows the password, and then a way in for this site alone, once for each challenge."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import cbor2
import pytest
from sqlalchemy import select
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

from appliance.model.errors import Conflict, Invalid, NotFound, NotPossible, Unauthenticated, WrongProof
from appliance.service import Actor, Workplace, accounts, enrolment, organizations, passkeys
from appliance.service.webauthn_party import Party
from appliance.store import schema
from tests.appliance.authenticator import Authenticator
from tests.appliance.conftest import sign_up
from tests.appliance.members import again

SITE = "https://mesh.example.net"
PASSWORD = "correct horse battery"
HOLDER = "what a browser holds"


@pytest.fixture
def workplace(workplace: Workplace) -> Workplace:
    return replace(workplace, site=SITE)


def add(workplace: Workplace, actor: Actor, device: Authenticator, password: str = PASSWORD) -> str:
    present = again(workplace, actor)
    options = passkeys.begin_adding(workplace, present, HOLDER)
    made = device.create(options)
    return passkeys.add(workplace, present, HOLDER, password=password, name="Laptop", credential=made).token


@pytest.fixture
def device(workplace: Workplace, owner: Actor) -> Authenticator:
    """One that has a passkey of the owner's."""
    made = Authenticator(SITE)
    add(workplace, owner, made)
    return made


def enter(workplace: Workplace, device: Authenticator) -> Actor:
    credential = device.get(passkeys.begin_log_in(workplace, HOLDER))
    return accounts.actor_of(workplace, passkeys.log_in(workplace, HOLDER, credential=credential).token)


def test_a_passkey_opens_its_owner_s_account(workplace: Workplace, owner: Actor, device: Authenticator) -> None:
    assert enter(workplace, device) == owner
    (known,) = passkeys.all_of(workplace, owner)
    assert known.last_used_at is not None
    assert known.sign_count == 1
    trail = organizations.trail(workplace, owner)[0]
    assert [entry.action for entry in trail][:2] == ["session.opened", "passkey.added"]
    assert trail[0].detail["passkey"] == "Laptop"


@pytest.mark.usefixtures("device")
def test_it_stands_for_password_and_second_factor(workplace: Workplace, owner: Actor, device: Authenticator) -> None:
    made = enrolment.propose(workplace, again(workplace, owner), password=PASSWORD)
    assert made.secret
    options = json.loads(passkeys.begin_log_in(workplace, HOLDER))
    assert options["userVerification"] == "required"
    assert options.get("allowCredentials", []) == []
    device.verifies = False
    with pytest.raises(Unauthenticated):
        enter(workplace, device)


def test_a_challenge_is_good_once_for_one_holder_and_for_a_while(workplace: Workplace, device: Authenticator) -> None:
    options = passkeys.begin_log_in(workplace, HOLDER)
    credential = device.get(options)
    with pytest.raises(Unauthenticated):
        passkeys.log_in(workplace, "somebody else", credential=credential)
    passkeys.log_in(workplace, HOLDER, credential=credential)
    with pytest.raises(Unauthenticated):
        passkeys.log_in(workplace, HOLDER, credential=credential)
    options = passkeys.begin_log_in(workplace, HOLDER)
    now = workplace.clock()
    late = replace(workplace, clock=lambda: now + timedelta(minutes=6))
    with pytest.raises(Unauthenticated):
        passkeys.log_in(late, HOLDER, credential=device.get(options))
    passkeys.begin_log_in(late, HOLDER)
    with workplace.store.read() as transaction:
        assert len(transaction.execute(select(schema.challenges)).all()) == 1


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "https://mesh.example.net:8443", "http://mesh.example.net", "null"]
)
def test_what_was_signed_for_another_site_opens_nothing(
    workplace: Workplace, owner: Actor, device: Authenticator, origin: str
) -> None:
    device.origin = origin
    with pytest.raises(Unauthenticated):
        enter(workplace, device)
    with pytest.raises(Invalid):
        add(workplace, owner, Authenticator(origin))


def test_a_copy_of_an_authenticator_is_noticed_by_its_count(workplace: Workplace, device: Authenticator) -> None:
    enter(workplace, device)
    copied = device.count
    enter(workplace, device)
    device.count = copied
    with pytest.raises(Unauthenticated):
        enter(workplace, device)


def test_nobody_else_s_signature_or_handle_will_do(workplace: Workplace, owner: Actor, device: Authenticator) -> None:
    stranger = sign_up(workplace, "stranger@example.net")
    other = Authenticator(SITE)
    add(workplace, stranger, other)
    forged = Authenticator(SITE, credential_id=device.credential_id, user_handle=device.user_handle)
    relabelled = replace(device, user_handle=other.user_handle)
    unknown = Authenticator(SITE, user_handle=device.user_handle)
    for each in (forged, relabelled, unknown):
        with pytest.raises(Unauthenticated):
            enter(workplace, each)
    assert enter(workplace, other) == stranger
    assert enter(workplace, device) == owner


@pytest.mark.parametrize("credential", ["", "{}", "[]", "null", '{"id": 1}', "\ud800", "x" * 10_000])
def test_what_no_browser_sends_is_refused(workplace: Workplace, owner: Actor, credential: str) -> None:
    with pytest.raises(Unauthenticated):
        passkeys.log_in(workplace, HOLDER, credential=credential)
    with pytest.raises(Invalid):
        passkeys.add(workplace, owner, HOLDER, password=PASSWORD, name="Laptop", credential=credential)


def test_what_is_nested_too_deep_is_refused(workplace: Workplace, device: Authenticator) -> None:
    credential = json.loads(device.get(passkeys.begin_log_in(workplace, HOLDER)))
    credential["response"]["clientDataJSON"] = bytes_to_base64url(b"[" * 50_000)
    with pytest.raises(Unauthenticated):
        passkeys.log_in(workplace, HOLDER, credential=json.dumps(credential))


@pytest.mark.parametrize("public_key", [[], {}, 1, {1: 2, 3: -7}])
def test_a_new_passkey_without_a_key_is_refused(workplace: Workplace, owner: Actor, public_key: object) -> None:
    new = Authenticator(SITE)
    credential = json.loads(new.create(passkeys.begin_adding(workplace, owner, HOLDER)))
    made = cbor2.loads(base64url_to_bytes(credential["response"]["attestationObject"]))
    before_the_key = made["authData"][: made["authData"].index(new.credential_id) + len(new.credential_id)]
    made["authData"] = before_the_key + cbor2.dumps(public_key)
    credential["response"]["attestationObject"] = bytes_to_base64url(cbor2.dumps(made))
    with pytest.raises(Invalid):
        passkeys.add(workplace, owner, HOLDER, password=PASSWORD, name="Laptop", credential=json.dumps(credential))


def test_adding_takes_the_password_and_ends_every_session_but_a_new_one(workplace: Workplace, owner: Actor) -> None:
    device = Authenticator(SITE)
    with pytest.raises(WrongProof):
        add(workplace, owner, device, password="wrong")
    before = add(workplace, owner, device)
    with pytest.raises(Conflict):
        add(workplace, owner, device)
    after = add(workplace, owner, Authenticator(SITE))
    with pytest.raises(Unauthenticated):
        accounts.actor_of(workplace, before)
    assert accounts.actor_of(workplace, after) == owner
    asked = json.loads(passkeys.begin_adding(workplace, again(workplace, owner), HOLDER))
    assert len(asked["excludeCredentials"]) == 2
    assert asked["authenticatorSelection"]["residentKey"] == "required"


def test_there_is_a_most(workplace: Workplace, owner: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passkeys, "MOST", 1)
    add(workplace, owner, Authenticator(SITE))
    with pytest.raises(Conflict):
        passkeys.begin_adding(workplace, again(workplace, owner), HOLDER)


def test_it_is_renamed_and_removed_by_its_owner_only(workplace: Workplace, owner: Actor, device: Authenticator) -> None:
    stranger, owner = sign_up(workplace, "stranger@example.net"), again(workplace, owner)
    (known,) = passkeys.all_of(workplace, owner)
    with pytest.raises(NotFound):
        passkeys.rename(workplace, stranger, known.id, name="mine")
    with pytest.raises(NotFound):
        passkeys.remove(workplace, stranger, known.id, password=PASSWORD)
    with pytest.raises(Invalid):
        passkeys.rename(workplace, owner, known.id, name=" ")
    passkeys.rename(workplace, owner, known.id, name="Phone")
    assert [each.name for each in passkeys.all_of(workplace, owner)] == ["Phone"]
    with pytest.raises(WrongProof):
        passkeys.remove(workplace, owner, known.id, password="wrong")
    passkeys.remove(workplace, owner, known.id, password=PASSWORD)
    with pytest.raises(Unauthenticated):
        enter(workplace, device)
    assert [entry.action for entry in organizations.trail(workplace, owner)[0]][:2] == [
        "passkey.removed",
        "passkey.renamed",
    ]


def test_a_service_without_a_name_has_no_passkeys(workplace: Workplace, owner: Actor) -> None:
    for site in ("https://192.0.2.1:8443", "https://[2001:db8::1]"):
        nameless = replace(workplace, site=site)
        assert passkeys.origin(nameless) is None
        with pytest.raises(NotPossible):
            passkeys.begin_log_in(nameless, HOLDER)
        with pytest.raises(NotPossible):
            passkeys.begin_adding(nameless, owner, HOLDER)


@pytest.mark.parametrize(
    ("site", "party"),
    [
        ("https://Mesh.Example.net:443", Party("mesh.example.net", "https://mesh.example.net")),
        ("https://localhost:8443", Party("localhost", "https://localhost:8443")),
        ("https://192.0.2.1", None),
    ],
)
def test_the_origin_is_written_as_browsers_write_it(site: str, party: Party | None) -> None:
    assert Party.of(site) == party
