"""The policy's forms of an organization with many machines, which take the ends of rules as text."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from appliance.service import Actor, machines
from appliance.store.policies import SavedPolicy
from appliance.web.pages.policy_forms import MOST_CHOICES
from appliance.web.site import Site
from tests.appliance.web.pages.visitor import Visitor

pytestmark = pytest.mark.long


@pytest.fixture
def ids(site: Site, actor: Actor) -> dict[str, str]:
    """Provides ids of many machines by name; one has the name of a group, one that of any machine."""
    names = [*(f"machine-{number}" for number in range(MOST_CHOICES)), "group office", "any machine", "machine:x"]
    return {name: machines.add(site.context, actor, name=name, groups=["office"]).machine.id for name in names}


def test_ends_are_typed_with_suggestions(owner: Visitor, ids: dict[str, str], saved: Callable[[], SavedPolicy]) -> None:
    page = owner.get("/policy")
    assert not [each for each in page.page.all("option") if each.get("value", "").startswith("machine:")]
    assert page.text.count("<option>machine-7</option>") == 1
    for source, destination in (
        ("machine-7", "group office"),
        ("the machine “group office”", "any machine"),
        (" the machine “any machine” ", "the machine “machine:x”"),
    ):
        assert owner.add_rule(action="deny", source=source, destination=destination, idle="yes").status == 303
    assert [rule.sentence for rule in saved().policy.rules] == [
        f"deny machine:{ids['machine-7']} to group:office",
        f"deny machine:{ids['group office']} to any",
        f"deny machine:{ids['any machine']} to machine:{ids['machine:x']}",
    ]
    assert len(owner.get("/policy").text) < 40_000


def test_an_unknown_end_is_refused_beside_its_field(
    owner: Visitor, ids: dict[str, str], saved: Callable[[], SavedPolicy]
) -> None:
    del ids
    answer = owner.add_rule(action="deny", source="machine-7777", destination="any machine")
    assert answer.status == 422
    assert [each["id"] for each in answer.page.all("input") if "aria-invalid" in each] == ["add-source"]
    assert "There is no machine “machine-7777”." in answer.page.text
    assert next(each["value"] for each in answer.page.all("input") if each.get("name") == "source") == "machine-7777"
    assert not saved().policy.rules
    assert owner.add_rule(action="deny", source="", destination="any machine").status == 422


def test_a_rule_s_page_shows_its_ends_as_text(
    owner: Visitor, ids: dict[str, str], saved: Callable[[], SavedPolicy]
) -> None:
    owner.add_rule(action="deny", source=f"machine:{ids['machine-3']}", destination="group office", protocol="tcp")
    path = f"/policy/rules/{saved().policy.rules[0].id}"
    page = owner.get(path)
    typed = {each["id"]: each["value"] for each in page.page.all("input") if each.get("list") == "ends"}
    assert typed == {"change-source": "machine-3", "change-destination": "group office"}
    source, destination = typed.values()
    assert owner.send(path, action="allow", source=source, destination=destination, protocol="tcp").status == 303
    assert saved().policy.rules[0].sentence == f"allow machine:{ids['machine-3']} to group:office, tcp"


def test_a_question_takes_names(owner: Visitor, ids: dict[str, str]) -> None:
    del ids
    text = owner.get("/policy/check?source=machine-1&destination=machine-2&protocol=icmp").page.text
    assert "Allowed from machine-1 to machine-2" in " ".join(text.split())
    assert owner.get("/policy/check?source=machine-1&destination=nothing&protocol=icmp").status == 422
    assert owner.get("/policy/check?source=machine-1&destination=group+office&protocol=icmp").status == 422
