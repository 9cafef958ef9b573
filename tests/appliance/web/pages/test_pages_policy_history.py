"""The pages of the policy's history."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from appliance.model.ids import new_id
from appliance.model.organization import Role
from appliance.model.policy import ANYONE, Action, Policy, Rule
from appliance.service import Actor, machines
from appliance.service import policy as policies
from appliance.store.policies import SavedPolicy
from appliance.web.site import Site
from tests.appliance.fakes import FakeHub
from tests.appliance.web.pages.visitor import Visitor

HISTORY = "/policy/history"


@pytest.fixture
def versions(owner: Visitor, saved: Callable[[], SavedPolicy]) -> list[SavedPolicy]:
    """Provides the first version, one that denies SSH, and one that denies by default too."""
    owner.add_machine("mumbai")
    owner.add_machine("pune")
    found = [saved()]
    owner.add_rule(action="deny", source="any", destination="any", protocol="tcp", ports="22", description="no SSH")
    found.append(saved())
    owner.get("/policy")
    owner.send("/policy/default", default="deny")
    return [*found, saved()]


@pytest.mark.long
def test_each_save_is_listed_with_who_and_what(owner: Visitor, versions: list[SavedPolicy]) -> None:
    assert HISTORY in owner.get("/policy").text
    text = " ".join(owner.get(HISTORY).page.text.split())
    assert "asha@example.net" in text
    assert "added deny any to any, tcp 22 (no SSH)" in text
    assert "previous default allow" in text
    assert "in force" in text
    links = [each["href"] for each in owner.answer.page.all("a") if each.get("href", "").startswith(f"{HISTORY}/")]
    assert links == [f"{HISTORY}/{each.version}" for each in versions[-2::-1]]


@pytest.mark.long
def test_going_back_is_previewed_and_done_once(
    owner: Visitor, hub: FakeHub, versions: list[SavedPolicy], saved: Callable[[], SavedPolicy]
) -> None:
    place = f"{HISTORY}/{versions[1].version}"
    page = owner.get(place)
    text = " ".join(page.page.text.split())
    assert f"Version {versions[-1].version} is in force" in text
    assert "It would open" in text
    assert "from mumbai and pune to mumbai and pune" in text
    assert saved() == versions[-1]
    assert owner.send(place).headers["location"] == "/policy"
    after = saved()
    assert after.version == versions[-1].version + 1
    assert after.policy == versions[1].policy
    assert next(iter(hub.enforced.values())).policy == after.policy
    told = owner.get("/policy").page.text
    assert "The earlier version of the policy is saved again, and the hub enforces it. Enforcing it took" in told
    owner.answer = page
    owner.send(place)
    assert saved() == after
    assert "This form came twice, and was done once." in owner.get("/policy").page.text


def test_going_back_from_a_stale_page_changes_nothing(
    owner: Visitor, versions: list[SavedPolicy], saved: Callable[[], SavedPolicy]
) -> None:
    place = f"{HISTORY}/{versions[0].version}"
    stale = owner.get(place)
    owner.add_rule(action="allow", source="any", destination="any", protocol="icmp", confirmed="yes")
    before = saved()
    owner.answer = stale
    answer = owner.send(place)
    assert answer.status == 412
    assert "saved by someone else meanwhile" in answer.page.text
    assert saved() == before


def test_rules_for_removed_machines_are_not_restored(
    owner: Visitor, site: Site, actor: Actor, saved: Callable[[], SavedPolicy]
) -> None:
    owner.add_machine("gone")
    machine = machines.page(site.context, actor)[0][0].machine.id
    owner.add_rule(action="deny", source=f"machine:{machine}", destination="any")
    version = saved().version
    machines.remove(site.context, actor, machine)
    before = saved()
    place = f"{HISTORY}/{version}"
    answer = owner.get(place)
    assert "a machine that does not exist" in answer.page.text
    assert not [each for each in answer.page.all("button") if each.get("class") == "danger"]
    assert owner.send(place).status == 409
    assert "gone" in owner.answer.page.text
    assert saved() == before


@pytest.mark.parametrize("version", ["999", "x", "-1", "0"])
def test_a_version_that_is_not_kept_has_no_page(owner: Visitor, versions: list[SavedPolicy], version: str) -> None:
    del versions
    assert owner.get(f"{HISTORY}/{version}").status == 404


def test_a_long_history_comes_in_pages(owner: Visitor, site: Site, actor: Actor) -> None:
    for number in range(60):
        rule = Rule(new_id(), Action.DENY, ANYONE, ANYONE, description=f"save {number}.")
        policies.save(site.context, actor, Policy(rules=(rule,)))
    first = owner.get(HISTORY)
    assert "save 59." in first.page.text
    assert "save 3." not in first.page.text
    (older,) = [each["href"] for each in first.page.all("a") if each.get("rel") == "next"]
    assert "save 3." in owner.get(older).page.text
    assert owner.get(f"{HISTORY}?after=nonsense").status == 422


def test_a_viewer_sees_the_history_and_can_t_go_back(
    colleague: Callable[[Role], Visitor], versions: list[SavedPolicy], saved: Callable[[], SavedPolicy]
) -> None:
    viewer = colleague(Role.VIEWER)
    assert "no SSH" in viewer.get(HISTORY).page.text
    place = f"{HISTORY}/{versions[0].version}"
    assert place in [each["href"] for each in viewer.answer.page.all("a")]
    page = viewer.get(place).page
    assert f"Version {versions[-1].version} is in force. Going back would change this." in page.text
    assert "It would close" in page.text or "It would open" in page.text
    assert place not in page.forms
    assert viewer.post(place, page.forms["/logout"]).status == 403
    assert saved() == versions[-1]
