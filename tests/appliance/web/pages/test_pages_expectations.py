"""The page of the policy's expectations."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from appliance.model.expectations import Expectation
from appliance.model.ids import new_id
from appliance.model.organization import Plan, Role
from appliance.model.policy import ANYONE, Action, Protocol, Rule, Selector, SelectorKind
from appliance.model.port_ranges import parse_ports
from appliance.service import Actor, accounts, expectations, machines, organizations
from appliance.service import policy as policies
from appliance.service.expectations import MOST
from appliance.web.pages.policy_forms import MOST_CHOICES
from appliance.web.request import COOKIE
from appliance.web.site import Site
from tests.appliance.web.pages.visitor import Answer, Visitor

PATH, REMOVAL = "/policy/expectations", "/policy/expectations/remove"
OFFICE, EMPTY = (Selector(SelectorKind.GROUP, name) for name in ("office", "guests"))
SSH = {"verdict": "deny", "source": "group:office", "destination": "any", "protocol": "tcp", "port": "22"}


@pytest.fixture
def actor(site: Site, owner: Visitor) -> Actor:
    """Provides the owner of an organization of two machines."""
    owner.add_machine("mumbai", groups="office")
    owner.add_machine("pune")
    return accounts.actor_of(site.context, owner.cookies[COOKIE])


@pytest.fixture
def kept(site: Site, actor: Actor) -> Callable[[], list[str]]:
    """Returns the expectations as the store has them."""
    return lambda: [each.expectation.sentence for each in expectations.get(site.context, actor)]


def text(answer: Answer) -> str:
    return " ".join(answer.page.text.split())


def add(visitor: Visitor, **fields: str) -> Answer:
    visitor.get(PATH)
    return visitor.send(PATH, **{**SSH, **fields})


def key(answer: Answer, number: int = 0) -> str:
    """Returns what the button that removes an expectation sends."""
    return [each["value"] for each in answer.page.all("button") if each.get("name") == "expectation"][number]


@pytest.mark.long
def test_an_expectation_is_added_and_removed(owner: Visitor, kept: Callable[[], list[str]]) -> None:
    assert "There is no expectation yet." in owner.get(PATH).page.text
    assert add(owner).status == 303
    page = owner.get(PATH)
    assert "The expectation is added." in page.page.text
    assert kept() == ["deny group:office to any, tcp 22"]
    assert "1 expectation, 1 broken" in text(page)
    assert "deny group office any machine TCP, port 22 broken Remove" in text(page)
    assert [each["aria-label"] for each in page.page.all("button") if each.get("name") == "expectation"] == [
        "Remove the expectation: deny TCP, port 22 from group office to any machine"
    ]
    assert owner.send(REMOVAL, expectation=key(page)).status == 303
    assert "The expectation is removed." in owner.get(PATH).page.text
    assert kept() == []


def test_each_expectation_shows_its_state(
    owner: Visitor, site: Site, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    policies.add_rule(site.context, actor, Rule(new_id(), Action.DENY, OFFICE, ANYONE, Protocol.TCP, parse_ports("22")))
    told = {
        Expectation(OFFICE, ANYONE, Action.DENY, Protocol.TCP, 22): "holds, for 1 pair of machines",
        Expectation(ANYONE, ANYONE, Action.ALLOW): "broken",
        Expectation(EMPTY, ANYONE, Action.DENY, Protocol.ICMP): "holds, as there is no such pair of machines",
    }
    expectations.save(site.context, actor, list(told))
    rows = text(owner.get(PATH)).split("Remove")
    assert "3 expectations, 1 broken" in rows[0]
    assert all(state in row for state, row in zip(told.values(), rows, strict=False))
    monkeypatch.setattr("appliance.service.expectations.MOST_WORK", 0)
    rows = text(owner.get(PATH)).split("Remove")
    assert "3 expectations, none broken" in rows[0]
    unknown = "not known: it takes too long to check"
    assert [unknown in row for row in rows[:3]] == [True, True, False]
    assert "takes too long" in text(add(owner, port="80"))
    assert owner.send(REMOVAL, expectation=key(owner.get(PATH))).status == 303, "removing one is the way out"


@pytest.mark.long
def test_a_machine_is_shown_by_name(owner: Visitor, site: Site, actor: Actor) -> None:
    machine = machines.page(site.context, actor)[0][0].machine.id
    assert add(owner, source=f"machine:{machine}", protocol="any", port="").status == 303
    assert "deny mumbai any machine everything broken" in text(owner.get(PATH))


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"port": "70000"}, "port"),
        ({"port": "x"}, "port"),
        ({"protocol": "icmp"}, "port"),
        ({"verdict": "maybe"}, "verdict"),
        ({"protocol": "sctp"}, "protocol"),
        ({"source": "machine:gone"}, "source"),
        ({"destination": "nobody"}, "destination"),
    ],
)
def test_wrong_input_is_refused_beside_its_field(
    owner: Visitor, kept: Callable[[], list[str]], fields: dict[str, str], field: str
) -> None:
    answer = add(owner, **fields)
    assert answer.status == 422
    wrong = [each["id"] for each in (*answer.page.all("input"), *answer.page.all("select")) if "aria-invalid" in each]
    assert wrong == [f"add-{field}"]
    assert kept() == []


def test_people_who_edit_together_keep_each_other_s_changes(
    owner: Visitor, colleague: Callable[[Role], Visitor], kept: Callable[[], list[str]]
) -> None:
    add(owner)
    other = colleague(Role.ADMIN)
    mine, theirs = owner.get(PATH), other.get(PATH)
    assert other.send(PATH, **{**SSH, "port": "80"}).status == 303
    assert owner.send(PATH, **{**SSH, "port": "443"}).status == 303
    owner.answer, other.answer = mine, theirs
    assert owner.send(REMOVAL, expectation=key(mine)).status == 303
    gone = other.send(REMOVAL, expectation=key(theirs))
    assert (gone.status, "This expectation is gone already." in gone.page.text) == (404, True)
    assert kept() == ["deny group:office to any, tcp 80", "deny group:office to any, tcp 443"]
    twice = add(other, port="443")
    assert (twice.status, "This expectation is there already." in twice.page.text) == (409, True)
    assert len(kept()) == 2


def test_a_form_that_is_sent_twice_is_done_once(owner: Visitor, kept: Callable[[], list[str]]) -> None:
    page = owner.get(PATH)
    for _ in range(2):
        owner.answer = page
        assert owner.send(PATH, **SSH).status == 303
    page = owner.get(PATH)
    assert "This form came twice, and was done once." in page.page.text
    assert len(kept()) == 1
    for _ in range(2):
        owner.answer = page
        assert owner.send(REMOVAL, expectation=key(page)).status == 303
    assert "This form came twice, and was done once." in owner.get(PATH).page.text
    assert kept() == []


@pytest.mark.parametrize("broken", ["", "x", "source=any", "é=1", "&".join(f"a{number}=1" for number in range(60))])
def test_a_removal_of_no_expectation_is_refused(owner: Visitor, kept: Callable[[], list[str]], broken: str) -> None:
    add(owner)
    owner.get(PATH)
    assert owner.send(REMOVAL, expectation=broken).status in (400, 422)
    assert len(kept()) == 1


def test_a_viewer_sees_expectations_without_forms(
    owner: Visitor, colleague: Callable[[Role], Visitor], kept: Callable[[], list[str]]
) -> None:
    add(owner)
    removal = key(owner.get(PATH))
    viewer = colleague(Role.VIEWER)
    page = viewer.get(PATH)
    assert "deny group office any machine TCP, port 22 broken" in text(page)
    assert set(page.page.forms) == {"/logout"}
    ours = page.page.forms["/logout"]
    assert viewer.post(PATH, {**ours, **SSH, "port": "80"}).status == 403
    assert viewer.post(REMOVAL, {**ours, "expectation": removal}).status == 403
    assert len(kept()) == 1


@pytest.mark.long
def test_the_limit_stands_in_place_of_the_form(owner: Visitor, site: Site, actor: Actor) -> None:
    owner.get(PATH)
    form = owner.answer
    many = [Expectation(EMPTY, OFFICE, Action.DENY, Protocol.TCP, port) for port in range(1, MOST + 1)]
    expectations.save(site.context, actor, many)
    page = owner.get(PATH)
    assert PATH not in page.page.forms
    assert "A policy has at most 200 expectations, and this one has them. Remove one to add another." in text(page)
    assert len(page.text) < 150_000
    owner.answer = form
    refused = owner.send(PATH, **SSH)
    assert refused.status == 422
    assert "A policy has at most 200 expectations." in refused.page.text
    assert len(expectations.get(site.context, actor)) == MOST


@pytest.mark.long
def test_many_ends_are_typed_with_suggestions(
    owner: Visitor, site: Site, actor: Actor, kept: Callable[[], list[str]]
) -> None:
    organizations.change(site.context, actor, plan=Plan.PAID.value)
    for number in range(MOST_CHOICES):
        machines.add(site.context, actor, name=f"machine-{number}")
    page = owner.get(PATH)
    assert page.text.count("<option>machine-7</option>") == 1
    assert owner.send(PATH, **{**SSH, "source": "group office", "destination": "any machine"}).status == 303
    assert kept() == ["deny group:office to any, tcp 22"]
    answer = add(owner, source="nobody")
    assert answer.status == 422
    assert "There is no machine “nobody”." in answer.page.text
