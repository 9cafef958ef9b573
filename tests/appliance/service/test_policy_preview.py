"""Previews of an organization's policy, which save nothing."""

from __future__ import annotations

import pytest

from appliance.model.errors import Conflict, Invalid, NotFound
from appliance.model.ids import new_id
from appliance.model.policy import ANYONE, Action, Policy, Protocol, Rule, Selector, SelectorKind
from appliance.model.port_ranges import parse_ports
from appliance.model.preview import PreviewEntry
from appliance.model.services import ServiceProtocol, ServiceRange
from appliance.service import Actor, Context, deletion, machines, organizations, policy
from appliance.service.policy_preview import preview
from tests.appliance.fakes import FakeHub


def deny(source: Selector = ANYONE, ports: str = "") -> Rule:
    protocol = Protocol.TCP if ports else Protocol.ANY
    return Rule(new_id(), Action.DENY, source, ANYONE, protocol, parse_ports(ports))


def test_a_preview_tells_what_a_save_would_close(context: Context, owner: Actor, hub: FakeHub) -> None:
    one, two = (machines.add(context, owner, name=name, groups=["red"]).machine.id for name in "ab")
    before, enforced = policy.get(context, owner), hub.enforced[owner.organization_id]
    rule = deny(Selector(SelectorKind.GROUP, "red"), "22")
    found = preview(context, owner, before.policy.with_rules([rule]), version=before.version)
    services = ServiceRange(ServiceProtocol.TCP, parse_ports("22"))
    assert found.closes.entries == (PreviewEntry((one, two), (one, two), services, 2),)
    assert not found.opens.entries
    assert (policy.get(context, owner), hub.enforced[owner.organization_id]) == (before, enforced)
    policy.add_rule(context, owner, rule)
    assert preview(context, owner, Policy()).opens.entries == found.closes.entries


def test_disabled_machines_are_previewed_too(context: Context, owner: Actor) -> None:
    one, two = (machines.add(context, owner, name=name, groups=["red"]).machine.id for name in "ab")
    machines.change(context, owner, two, enabled=False)
    (entry,) = preview(context, owner, Policy(Action.DENY)).closes.entries
    assert entry.sources == entry.destinations == (one, two)


def test_a_preview_is_refused_as_a_save_is(context: Context, owner: Actor) -> None:
    version = policy.get(context, owner).version
    with pytest.raises(Conflict, match="version"):
        preview(context, owner, Policy(), version=version + 1)
    with pytest.raises(Invalid, match="does not exist"):
        preview(context, owner, Policy(rules=(deny(Selector(SelectorKind.MACHINE, "nobody")),)))
    pairs = (deny(ports=",".join(str(2 * number + 1) for number in range(100))) for _ in range(25))
    with pytest.raises(Invalid, match="the limit is 4000"):
        preview(context, owner, Policy(rules=tuple(pairs)))
    deletion.delete(context, owner, confirm=organizations.get(context, owner).name)
    with pytest.raises(NotFound):
        preview(context, owner, Policy())
