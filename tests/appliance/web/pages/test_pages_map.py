"""The map of an organization."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from appliance.model.desired import PeerStatus, RuleCount
from appliance.model.organization import Role
from appliance.model.policy import Action, Policy, Rule
from appliance.service import Actor, machines
from appliance.service import policy as policies
from appliance.store import times
from appliance.web.pages import map_layout
from appliance.web.pages.network_map import MOST_ROWS, MOST_WAYS
from appliance.web.site import Site
from tests.appliance.fakes import FakeHub
from tests.appliance.web.pages.visitor import Answer, Visitor

MAP = "/map"
LARGEST = 100_000
"""Most bytes of a page."""


@pytest.fixture
def save(site: Site, actor: Actor, hub: FakeHub) -> Callable[..., list[str]]:
    """Returns a function that saves rules, and has the hub count packets for each and for the default."""

    def make(default: str, *rules: tuple[str, str, str], packets: list[int]) -> list[str]:
        made = tuple(
            Rule.parse(action=action, source=source, destination=destination) for action, source, destination in rules
        )
        policies.save(site.context, actor, Policy(Action(default), made))
        ids = [rule.id for rule in made]
        count(hub, ids, packets)
        return ids

    return make


def count(hub: FakeHub, ids: list[str], packets: list[int]) -> None:
    """Has the hub count so many packets for each rule, and for the default."""
    hub.counts = [RuleCount(rule, each, 100 * each) for rule, each in zip([*ids, None], packets, strict=True)]


def words(answer: Answer) -> str:
    assert answer.status == 200, answer.text
    return " ".join(answer.page.text.split())


def picture(answer: Answer) -> str:
    """Cuts the picture out of a page."""
    return answer.text[answer.text.index('<svg class="drawing network"') : answer.text.rindex("</svg>")]


def ways(answer: Answer) -> list[tuple[str, str]]:
    """Reads verdict and width of each line, and of each ring."""
    found = [each for _, each in answer.page.elements if each.get("class", "").startswith("way ")]
    return [(each["class"].removeprefix("way "), each["stroke-width"]) for each in found]


def test_rules_are_lines_and_rows(owner: Visitor, add: Callable[..., str], save: Callable[..., list[str]]) -> None:
    add("asha", "staff")
    add("web", "servers")
    ids = save(
        "deny",
        ("allow", "group:staff", "group:servers"),
        ("deny", "group:servers", "any"),
        ("allow", "any", "group:staff"),
        packets=[900, 50, 0, 50],
    )
    answer = owner.get(MAP)
    assert ways(answer) == [("denied", "1.9"), ("allowed", "8.2"), ("denied", "1.9")]
    assert "denied 50" in picture(answer)
    assert "default: denied 50" in picture(answer)
    text = words(answer)
    assert "allowed group staff group servers everything 900 900 packets, 87.9 KiB" in text
    assert "denied group servers any machine everything 50" in text
    assert "denied any machine any machine what no rule matches 50" in text
    links = [each["href"] for each in answer.page.all("a") if each["href"].startswith("/policy/rules/")]
    assert links == [f"/policy/rules/{ids[0]}", f"/policy/rules/{ids[1]}"]


def test_a_second_look_has_only_what_is_new(
    owner: Visitor, hub: FakeHub, add: Callable[..., str], save: Callable[..., list[str]]
) -> None:
    add("asha", "staff")
    ids = save("allow", ("allow", "group:staff", "any"), ("deny", "any", "group:staff"), packets=[900, 50, 7])
    assert "no earlier look" in words(owner.get(MAP))
    assert "There was no packet to decide about since" in words(owner.get(MAP))
    count(hub, ids, [900, 53, 7])
    answer = owner.get(MAP)
    assert ways(answer) == [("denied", "9.0")]
    assert "denied any machine group staff everything 3 53 packets" in words(answer)


def test_machines_are_counted_by_state(
    owner: Visitor, site: Site, hub: FakeHub, actor: Actor, add: Callable[..., str], save: Callable[..., list[str]]
) -> None:
    for name in ("one", "two", "three"):
        add(name, "staff")
    printer = add("printer")
    off = add("off", "staff")
    machines.change(site.context, actor, off, enabled=False)
    save("allow", ("allow", "group:staff", f"machine:{printer}"), packets=[1, 0])
    now = int(times.now().timestamp())
    peers = hub.enforced[actor.organization_id].peers
    hub.statuses = [PeerStatus(peer.public_key, now - 600 * place, 1, 1, "") for place, peer in enumerate(peers[:2])]
    answer = owner.get(MAP)
    assert "4 enabled machines: 1 online, 1 silent, 2 never seen" in words(answer)
    assert "group staff 3 1 1 1" in words(answer)
    assert "1 of 3 online" in picture(answer)
    assert "never seen" in picture(answer)


def test_a_hub_without_an_answer_is_told(
    owner: Visitor, hub: FakeHub, add: Callable[..., str], save: Callable[..., list[str]]
) -> None:
    add("asha", "staff")
    save("allow", ("allow", "group:staff", "any"), packets=[1, 0])
    hub.refuses = True
    answer = owner.get(MAP)
    assert "The hub does not answer now" in words(answer)
    assert ways(answer) == []


def test_an_empty_organization_has_no_picture(owner: Visitor) -> None:
    answer = owner.get(MAP)
    assert "There is no enabled machine." in words(answer)
    assert "network" not in answer.text[answer.text.index("<main") :]


def test_names_are_data(owner: Visitor, add: Callable[..., str], save: Callable[..., list[str]]) -> None:
    name = '</text><script>alert(1)</script>"'
    group = '"><g onload=x> {{ 7 * 7 }} & ' + "ü" * 20
    ends = f"machine:{add(name)}", f"group:{group}"
    add("asha", group)
    save("allow", ("allow", *ends), packets=[3, 0])
    answer = owner.get(MAP)
    assert "<script>alert" not in answer.text
    assert "<g onload" not in answer.text
    text = words(answer)
    assert f"allowed {name} group {group} everything" in text
    assert group not in picture(answer)
    assert "&lt;/text&gt;" in picture(answer)


def test_the_page_is_bounded_at_a_thousand_machines(
    owner: Visitor, add_many: Callable[[Mapping[str, str]], list[str]], save: Callable[..., list[str]]
) -> None:
    long = "<" * 200
    ids = add_many({f"{long}{number}": f"{number % 40}-{'&' * 40}" for number in range(1000)})
    rules = [("deny", f"machine:{each}", f"group:{at % 40}-{'&' * 40}") for at, each in enumerate(ids)]
    save("allow", *rules, packets=[*range(1, 1001), 5])
    answer = owner.get(MAP)
    assert len(answer.body) < LARGEST
    assert len(ways(answer)) <= MOST_WAYS
    assert picture(answer).count("<svg role") == map_layout.MOST_PARTIES
    text = words(answer)
    assert "The picture has the 12 busiest of 1040 groups and machines" in text
    assert " of 1001 rules that decided any" in text
    assert f"{long}999" in text
    assert "no room in the picture" in text


@pytest.mark.long
def test_short_names_fill_the_tables(owner: Visitor, add: Callable[..., str], save: Callable[..., list[str]]) -> None:
    ids = [add(f"machine-{number}") for number in range(120)]
    save("allow", *(("deny", f"machine:{each}", "any") for each in ids), packets=[1] * 121)
    answer = owner.get(MAP)
    assert answer.text.count('<th scope="row"') == 2 * MOST_ROWS
    assert len(answer.body) < LARGEST


def test_the_page_s_poll_confirms_its_version(
    owner: Visitor, hub: FakeHub, add: Callable[..., str], save: Callable[..., list[str]]
) -> None:
    add("asha", "staff")
    ids = save("allow", ("allow", "group:staff", "any"), packets=[5, 0])
    owner.get(MAP)
    live = next(each for _, each in owner.get(MAP).page.elements if "data-live" in each)
    answer = owner.ask("GET", live["data-hx-get"], headers={"If-None-Match": live["data-etag"]})
    assert (answer.status, answer.body) == (304, b"")
    count(hub, ids, [9, 0])
    answer = owner.ask("GET", live["data-hx-get"], headers={"If-None-Match": live["data-etag"]})
    assert answer.status == 200
    assert ways(answer) == [("allowed", "9.0")]
    assert "<html" not in answer.text


def test_a_viewer_sees_the_map_and_no_one_else_s(
    colleague: Callable[[Role], Visitor], add: Callable[..., str], stranger: Visitor
) -> None:
    add("asha")
    assert "every machine" in words(colleague(Role.VIEWER).get(MAP))
    assert stranger.get(MAP).headers["location"] == "/login?next=/map"
    stranger.sign_up("eve@example.net", "Eve")
    assert "There is no enabled machine." in words(stranger.get(MAP))
