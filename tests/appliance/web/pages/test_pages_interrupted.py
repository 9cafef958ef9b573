"""Forms that are sent after the session ended: the input comes back after a log-in, and only to its author."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import bottle
import pyotp
import pytest

from appliance.model.ids import new_id
from appliance.model.organization import Role
from appliance.model.policy import ANYONE, Action, Rule
from appliance.service import accounts, machines, members, sessions
from appliance.service import policy as policies
from appliance.store import times
from appliance.web import pages
from appliance.web.app import make_app
from appliance.web.request import COOKIE
from appliance.web.site import Site
from tests.appliance.clocks import WallClock
from tests.appliance.fakes import FakeHub
from tests.appliance.members import PASSWORD
from tests.appliance.web.pages.visitor import Answer, Visitor
from tests.appliance.web.used_up import use_up

IDLE = sessions.IDLE + timedelta(seconds=1)
EMAIL = "asha@example.net"
NAME = 'x" <b>&मुंबई'


@pytest.fixture
def clock() -> WallClock:
    return WallClock(times.now())


@pytest.fixture
def app(site: Site, hub: FakeHub, clock: WallClock) -> bottle.Bottle:
    return make_app(replace(site, context=replace(site.context, clock=clock)), hub.status)


def value(answer: Answer, name: str, number: int = 0) -> str:
    """Gets the text of a visible field of the page."""
    fields = [each for each in answer.page.all("input") if each.get("type") != "hidden"]
    return [each for each in fields if each.get("name") == name][number].get("value", "")


def log_in_again(visitor: Visitor, email: str = EMAIL) -> Answer:
    """Logs in from the page that answered a form."""
    return visitor.send("/login", email=email, password=PASSWORD)


def test_the_input_is_shown_after_the_log_in(owner: Visitor, clock: WallClock) -> None:
    owner.get("/machines")
    clock.wait(IDLE)
    answer = owner.send("/machines", name=NAME, groups="office, db")
    assert answer.status == 401
    assert "Your session has ended, and nothing was changed." in answer.page.text
    assert NAME not in answer.text
    assert value(answer, "email") == ""
    answer = log_in_again(owner)
    assert answer.status == 200
    assert (value(answer, "name"), value(answer, "groups")) == (NAME, "office, db")
    assert "Nothing was changed meanwhile" in answer.page.text
    assert "There is no machine yet" in answer.page.text
    answer = owner.send("/machines", name=value(answer, "name"), groups=value(answer, "groups"))
    assert f"Added: {NAME}" in answer.page.text


def test_a_reload_and_a_wrong_password_keep_the_input(owner: Visitor, clock: WallClock) -> None:
    owner.get("/machines")
    clock.wait(IDLE)
    owner.send("/machines", name=NAME)
    answer = owner.send("/login", email=EMAIL, password="wrong")
    assert answer.status == 401
    form = answer.page.forms["/login"] | {"email": EMAIL, "password": PASSWORD}
    for _ in range(3):
        answer = owner.post("/login", form)
        assert (answer.status, value(answer, "name")) == (200, NAME)
    assert owner.get("/machines").status == 200


def test_a_log_in_with_a_second_factor_keeps_the_input(owner: Visitor, clock: WallClock) -> None:
    owner.get("/account")
    page = owner.send("/account/second-factor", password=PASSWORD).page
    phone = pyotp.TOTP(next(line for line in page.text.split() if len(line) == 32 and line.isupper()))
    owner.send("/account/second-factor/enable", code=phone.at(clock.now))
    owner.get("/machines")
    clock.wait(IDLE)
    owner.send("/machines", name=NAME)
    answer = log_in_again(owner)
    assert "Enter a code" in answer.page.text
    assert COOKIE not in answer.cookies
    answer = owner.send("/login/code", code="000000")
    assert answer.status == 401
    answer = owner.send("/login/code", code=phone.at(clock.now))
    assert (answer.status, value(answer, "name")) == (200, NAME)


def test_a_log_in_in_another_tab_keeps_the_input(owner: Visitor, clock: WallClock) -> None:
    owner.get("/machines")
    form = owner.answer.page.forms["/machines"] | {"name": NAME}
    clock.wait(IDLE)
    owner.post("/machines", form)
    first = owner.answer.page.forms["/login"] | {"email": EMAIL, "password": PASSWORD}
    assert owner.log_in(EMAIL).status == 303
    answer = owner.post("/login", first)
    assert (answer.status, value(answer, "name")) == (200, NAME)


def test_another_person_does_not_see_the_input(owner: Visitor, clock: WallClock, app: bottle.Bottle) -> None:
    other = Visitor(app)
    other.sign_up("eve@example.net", "Eve")
    owner.get("/machines")
    clock.wait(IDLE)
    owner.send("/machines", name=NAME)
    answer = log_in_again(owner, "eve@example.net")
    assert (answer.status, answer.headers["location"]) == (303, "/machines")
    answer = owner.get("/machines")
    assert NAME not in answer.text
    assert "The input from before you signed in is not shown" in answer.page.text


def test_a_colleague_does_not_see_the_input(
    owner: Visitor, colleague: Callable[[Role], Visitor], clock: WallClock
) -> None:
    colleague(Role.ADMIN)
    owner.get("/machines")
    clock.wait(IDLE)
    owner.send("/machines", name=NAME)
    assert log_in_again(owner, "admin@example.net").status == 303


def test_a_draft_of_another_person_does_not_open(owner: Visitor, clock: WallClock, app: bottle.Bottle) -> None:
    """Posts a draft made with an own session, or without one, in another person's log-in."""
    eve = Visitor(app)
    eve.sign_up("eve@example.net", "Eve")
    planted = eve.get("/machines").page.forms["/machines"]
    clock.wait(IDLE)
    drafts = []
    for csrf in (planted["csrf"], "a.b", f"a.{'0' * 64}"):
        eve.post("/machines", planted | {"csrf": csrf, "name": NAME})
        drafts.append(eve.answer.page.forms["/login"]["draft"])
    for draft in [*drafts, "", "x", "é", "A" * 100_000]:
        owner.cookies.pop(COOKIE, None)
        owner.get("/login")
        answer = owner.send("/login", email=EMAIL, password=PASSWORD, draft=draft)
        assert answer.status == 303, draft
        assert NAME not in owner.get("/machines").text


def test_a_draft_expires(owner: Visitor, clock: WallClock) -> None:
    owner.get("/machines")
    clock.wait(IDLE)
    owner.send("/machines", name=NAME)
    clock.wait(timedelta(hours=13))
    assert log_in_again(owner).status == 303


def test_the_page_says_that_too_long_input_is_lost(owner: Visitor, clock: WallClock) -> None:
    owner.get("/machines")
    clock.wait(IDLE)
    answer = owner.send("/machines", name="x" * 100_000)
    assert "too long to be kept" in answer.page.text
    assert log_in_again(owner).status == 303


def test_a_lost_right_to_change_is_explained(
    owner: Visitor, colleague: Callable[[Role], Visitor], clock: WallClock
) -> None:
    admin = colleague(Role.ADMIN)
    admin.get("/machines")
    owner.get("/settings/people")
    member = next(each["href"] for each in owner.answer.page.all("a") if "/settings/people/" in each.get("href", ""))
    owner.get(member)
    assert owner.send(f"{member}/role", role="viewer").status == 303
    clock.wait(IDLE)
    admin.send("/machines", name=NAME)
    answer = log_in_again(admin, "admin@example.net")
    assert answer.status == 403
    assert COOKIE in admin.cookies


def test_the_page_says_that_the_machine_is_gone(owner: Visitor, clock: WallClock, app: bottle.Bottle) -> None:
    owner.add_machine("a")
    link = next(each["href"] for each in owner.get("/machines").page.all("a") if "/machines/" in each["href"])
    owner.get(link)
    form = owner.answer
    other = Visitor(app)
    other.log_in(EMAIL)
    other.get(f"{link}/remove")
    other.send(f"{link}/remove")
    clock.wait(IDLE)
    owner.answer = form
    owner.send(link, name=NAME)
    assert log_in_again(owner).status == 404
    assert owner.get("/machines").status == 200


def test_a_form_of_an_earlier_session_is_shown_again(owner: Visitor, clock: WallClock) -> None:
    """Signs in again in another tab meanwhile."""
    form = owner.get("/machines").page.forms["/machines"]
    clock.wait(IDLE)
    owner.log_in(EMAIL)
    answer = owner.post("/machines", form | {"name": NAME})
    assert answer.status == 403
    assert "made in an earlier session of yours" in answer.page.text
    assert value(answer, "name") == NAME
    assert "Added" in owner.send("/machines", name=NAME).page.text


def test_too_many_changes_keep_the_input(owner: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    owner.get("/machines")
    use_up(monkeypatch, "write")
    answer = owner.send("/machines", name=NAME)
    assert (answer.status, answer.headers["retry-after"]) == (429, "7")
    assert value(answer, "name") == NAME


def test_a_page_requested_without_a_session_opens_after_log_in(owner: Visitor, clock: WallClock) -> None:
    clock.wait(IDLE)
    answer = owner.get("/policy/check?source=machine%3Aa&port=8+0*")
    assert answer.status == 303
    answer = owner.get(answer.headers["location"])
    assert "Your session has ended." in answer.page.text
    assert log_in_again(owner).headers["location"] == "/policy/check?source=machine%3Aa&port=8+0*"


def test_a_visitor_without_a_session_is_not_told_of_an_ended_one(stranger: Visitor) -> None:
    assert "session has ended" not in stranger.get("/login").page.text
    assert stranger.post("/machines", {"name": "x"}).headers["location"] == "/login"


def test_every_form_is_shown_again_without_its_secrets() -> None:
    """Checks the kept fields of every form, which must not include passwords and codes."""
    for page in pages.PAGES:
        if page.method != "POST" or page.access.is_public or page.path in ("/logout", "/account/passkeys/options"):
            continue
        assert page.again is not None, page.path
        for field in page.again.fields:
            assert not re.search("password|code|credential|token$|secret|csrf|once|confirm", field), (page.path, field)


@pytest.mark.long
def test_any_input_is_kept(owner: Visitor) -> None:
    """Fills the fields of every form with any text, without passwords, codes and confirmations."""
    owner.add_machine("a")
    links = [each["href"] for each in owner.get("/machines").page.all("a") if each["href"].startswith("/machines/")]
    kept = {page.path: page.again.fields for page in pages.PAGES if page.again is not None}
    for path in ("/machines", "/policy", "/settings", "/settings/people", "/settings/tokens", "/account", *links):
        action = ""
        for tag, each in owner.get(path).page.elements:
            if tag == "form":
                action = re.sub(r"^/machines/\w+", "/machines/<id>", each["action"]) if each["method"] == "post" else ""
            if not action or tag not in ("input", "select") or each.get("type") in ("hidden", "password"):
                continue
            if each["name"] in ("code", "confirm"):
                continue
            assert each["name"] in kept[action], (action, each["name"])


TYPED = {
    "name": NAME,
    "groups": 'office, "a,b"',
    "public_key": "no key",
    "email": "ravi@example.net",
    "role": "admin",
    "scope": "write",
    "days": "17",
    "action": "allow",
    "source": "group:office",
    "destination": "any",
    "protocol": "tcp",
    "ports": "22,80-90",
    "verdict": "allow",
    "port": "5432",
    "description": NAME,
    "both_ways": "yes",
    "keep_tokens": "yes",
    "keep_passkeys": "yes",
    "plan": "paid",
    "seen_name": "before",
    "seen_groups": "old",
}
"""Something for each field that any form keeps."""


def ids(visitor: Visitor, site: Site) -> dict[str, str]:
    """Provides an object of each kind that paths name, by the beginning of the path."""
    actor = accounts.actor_of(site.context, visitor.cookies[COOKIE])
    machine = machines.page(site.context, actor)[0][0].machine.id
    (member, *_) = (each.id for each in members.page(site.context, actor)[0] if each.id != actor.member_id)
    rule = policies.add_rule(site.context, actor, Rule(new_id(), Action.DENY, ANYONE, ANYONE)).result.id
    return {
        "/machines": machine,
        "/settings/people/<id>": member,
        "/policy/rules/<id>": rule,
        "/policy/history/<id>": "1",
    }


def chosen(answer: Answer) -> set[str]:
    """Collects the values of all fields, choices and boxes."""
    found = {each.get("value", "") for each in answer.page.all("input") if each.get("type") != "checkbox"}
    found |= {each["value"] for each in answer.page.all("option") if "selected" in each}
    return found | {each["name"] for each in answer.page.all("input") if "checked" in each}


@pytest.mark.long
def test_every_form_comes_back_as_it_was_typed(
    owner: Visitor, colleague: Callable[[Role], Visitor], clock: WallClock, site: Site
) -> None:
    colleague(Role.VIEWER)
    owner.add_machine("one", groups="office")
    known = ids(owner, site)
    assert {field for page in pages.PAGES if page.again for field in page.again.fields} == set(TYPED)
    for page in pages.PAGES:
        if page.again is None:
            continue
        named = next((each for start, each in known.items() if page.path.startswith(start)), "none")
        csrf = owner.get("/machines").page.forms["/logout"]
        clock.wait(IDLE)
        fields = {field: TYPED[field] for field in page.again.fields}
        answer = owner.post(page.path.replace("<id>", named), csrf | fields | {"password": PASSWORD, "code": "123456"})
        assert answer.status == 401, page.path
        answer = log_in_again(owner)
        assert answer.status == 200, (page.path, answer.page.text)
        missing = {each for field, each in fields.items() if each not in chosen(answer) and field not in chosen(answer)}
        # Of passkeys there is none to be renamed; that its page is there is enough.
        assert not missing or page.path.endswith("<id>/name"), (page.path, missing)
        assert "123456" not in answer.text
        assert PASSWORD not in answer.text
