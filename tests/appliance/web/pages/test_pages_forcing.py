"""Forms that would break expectations of the policy ask before they do."""

from __future__ import annotations

import pytest

from appliance.model.expectations import Expectation
from appliance.model.policy import ANYONE, Action, Protocol, Selector, SelectorKind
from appliance.service import Actor, accounts, expectations, machines, organizations
from appliance.web.request import COOKIE
from appliance.web.site import Site
from tests.appliance.web.pages.visitor import Visitor

GUESTS = Selector(SelectorKind.GROUP, "guests")
CLOSED = Expectation(GUESTS, ANYONE, Action.DENY, Protocol.TCP, 5432)
TOLD = "deny TCP, port 5432 from group guests to any machine"


@pytest.fixture
def actor(site: Site, owner: Visitor) -> Actor:
    """Provides the owner of an organization with one machine, and with an expectation about a group without any."""
    owner.add_machine("mumbai", groups="office")
    actor = accounts.actor_of(site.context, owner.cookies[COOKIE])
    expectations.save(site.context, actor, [CLOSED])
    return actor


def groups(site: Site, actor: Actor) -> dict[str, tuple[str, ...]]:
    return {each.machine.name: each.machine.groups for each in machines.page(site.context, actor)[0]}


def told(site: Site, actor: Actor) -> object:
    """Returns what the last change broke, as the audit trail tells it."""
    (entry, *_), _ = organizations.trail(site.context, actor, limit=1)
    return entry.detail.get("broken")


@pytest.mark.long
def test_a_machine_that_breaks_one_is_added_if_forced(owner: Visitor, site: Site, actor: Actor) -> None:
    answer = owner.add_machine("pune", groups="guests")
    assert answer.status == 409
    assert TOLD in answer.page.text
    assert [each["href"] for each in answer.page.all("a") if each.get("class") == "button quiet"] == ["/machines"]
    assert groups(site, actor) == {"mumbai": ("office",)}
    forced = owner.send("/machines", force="yes")
    assert forced.status == 200
    assert "PrivateKey" in forced.page.text
    assert groups(site, actor) == {"mumbai": ("office",), "pune": ("guests",)}
    assert told(site, actor) == [CLOSED.sentence]
    owner.answer = answer
    assert owner.send("/machines", force="yes").status == 303, "the same form is done once"
    assert len(groups(site, actor)) == 2


def test_groups_that_break_one_are_changed_if_forced(owner: Visitor, site: Site, actor: Actor) -> None:
    owner.add_machine("pune")
    path = f"/machines/{machines.page(site.context, actor)[0][0].machine.id}"
    owner.get(path)
    answer = owner.send(path, name="bombay", groups="guests, office")
    assert answer.status == 409
    assert TOLD in answer.page.text
    assert [each["href"] for each in answer.page.all("a") if each.get("class") == "button quiet"] == [path]
    assert groups(site, actor)["mumbai"] == ("office",)
    assert owner.send(path, force="yes").status == 303
    assert groups(site, actor)["bombay"] == ("guests", "office")
    assert told(site, actor) == [CLOSED.sentence]


def test_the_question_names_machines(owner: Visitor, site: Site, actor: Actor) -> None:
    machine = Selector(SelectorKind.MACHINE, machines.page(site.context, actor)[0][0].machine.id)
    expectations.save(site.context, actor, [Expectation(ANYONE, machine, Action.ALLOW)])
    owner.add_machine("pune")
    owner.get("/policy")
    answer = owner.send("/policy/default", default="deny")
    assert answer.status == 409
    assert "allow everything from any machine to mumbai" in answer.page.text
    assert machine.name not in answer.page.text


def test_a_check_that_takes_too_long_is_asked_about_too(
    owner: Visitor, site: Site, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.service.expectations.MOST_WORK", 0)
    answer = owner.add_machine("pune", groups="guests")
    assert answer.status == 409
    assert "It takes too long to find out whether this breaks 1 expectation" in answer.page.text
    assert owner.send("/machines", force="yes").status == 200
    assert groups(site, actor)["pune"] == ("guests",)
