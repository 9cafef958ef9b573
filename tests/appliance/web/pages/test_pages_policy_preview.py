"""Previews of a save of the policy: pages show before what it would open and close."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from appliance.model.ids import new_id
from appliance.model.organization import Plan
from appliance.model.policy import ANYONE, Action, Policy, Protocol, Rule, Selector, SelectorKind
from appliance.model.port_ranges import PortRange
from appliance.service import accounts, machines, organizations
from appliance.service import policy as policies
from appliance.store.policies import SavedPolicy
from appliance.web.pages.policy_changes import MOST_ENTRIES
from appliance.web.request import COOKIE
from appliance.web.site import Site
from tests.appliance.web.pages.visitor import Visitor


def test_an_opened_network_is_shown_pair_by_pair(owner: Visitor, pair: tuple[str, str]) -> None:
    del pair
    owner.get("/policy")
    owner.send("/policy/default", default="deny")
    owner.get("/policy")
    answer = owner.send("/policy/default", default="allow")
    text = " ".join(answer.page.text.split())
    assert "Open the network?" in text
    assert "It would open everything from mumbai and pune to mumbai and pune" in text


def test_a_preview_without_effect_says_so(
    owner: Visitor, pair: tuple[str, str], saved: Callable[[], SavedPolicy]
) -> None:
    owner.get("/policy")
    ends = {"source": f"machine:{pair[0]}", "destination": f"machine:{pair[1]}"}
    answer = owner.send("/policy/rules", action="allow", preview="yes", **ends)
    assert "No connection between your machines would be opened or closed." in answer.page.text
    answer = owner.add_rule(action="deny", preview="yes", protocol="tcp", ports="1-100", **ends)
    assert "It would close TCP 1-100 from mumbai to pune" in " ".join(answer.page.text.split())
    assert not saved().policy.rules


def test_another_default_can_be_previewed(
    owner: Visitor, pair: tuple[str, str], saved: Callable[[], SavedPolicy]
) -> None:
    del pair
    owner.get("/policy")
    text = " ".join(owner.send("/policy/default", preview="yes").page.text.split())
    assert "It would close everything from mumbai and pune to mumbai and pune" in text
    assert saved().policy.default is Action.ALLOW
    assert owner.send("/policy/default").status == 303
    assert saved().policy.default is Action.DENY


@pytest.mark.long
def test_a_long_preview_is_cut(owner: Visitor, site: Site) -> None:
    actor = accounts.actor_of(site.context, owner.cookies[COOKIE])
    organizations.change(site.context, actor, plan=Plan.PAID.value)
    ids = [machines.add(site.context, actor, name=f"m{number}").machine.id for number in range(MOST_ENTRIES + 8)]
    ends = [Selector(SelectorKind.MACHINE, each) for each in ids]
    rules = [
        Rule(new_id(), Action.DENY, one, other, Protocol.TCP, (PortRange(at + 1, at + 1),))
        for at, (one, other) in enumerate(pairwise(ends))
    ]
    policies.save(site.context, actor, Policy(rules=(Rule("all", Action.DENY, ANYONE, ANYONE), *rules)))
    owner.get("/policy")
    all_id = policies.get(site.context, actor).policy.rules[0].id
    answer = owner.send("/policy/rules/remove", rule=all_id, preview="yes", confirmed="yes")
    text = " ".join(answer.page.text.split())
    assert "more lines, about fewer machines, are left out" in text
    assert "others" in text
    assert len(answer.text) < 20_000
