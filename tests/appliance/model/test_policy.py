"""Decisions of a policy: deny before allow before the default, in any order of the rules."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from ipaddress import IPv4Address
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.desired import Desired, Peer
from appliance.model.errors import Invalid
from appliance.model.names import check_group
from appliance.model.policy import (
    ANYONE,
    Action,
    Policy,
    Protocol,
    Rule,
    Selector,
    SelectorKind,
)
from appliance.model.port_ranges import PortRange, format_ports, merge_ports, parse_ports
from appliance.model.rule_ids import with_ids_of
from appliance.model.verdict import ConnectionEnd, decide
from tests.appliance.strategies import PORTS, desired_states, port_ranges, rules

PEERS = tuple(Peer(f"m{number}", f"key{number}", IPv4Address("10.100.0.2") + number) for number in range(2))


@given(desired_states(), st.randoms(), st.sampled_from(Protocol), st.sampled_from([*PORTS, None]))
def test_the_order_of_rules_never_matters(
    desired: Desired, random: object, protocol: Protocol, port: int | None
) -> None:
    shuffled = list(desired.policy.rules)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    parties = [ConnectionEnd(peer.id, peer.groups) for peer in desired.peers]
    for source in parties:
        for destination in parties:
            ports = port if protocol.has_ports else None
            one = decide(desired.policy, source, destination, protocol, ports)
            other = decide(Policy(desired.policy.default, tuple(shuffled)), source, destination, protocol, ports)
            assert one.action is other.action


@given(desired_states(), st.sampled_from(Protocol))
def test_a_deny_rule_always_wins(desired: Desired, protocol: Protocol) -> None:
    everything = Rule("x", Action.DENY, Selector(SelectorKind.ANY), Selector(SelectorKind.ANY))
    policy = Policy(desired.policy.default, (*desired.policy.rules, everything))
    source, destination = ConnectionEnd("a"), ConnectionEnd("b")
    assert decide(policy, source, destination, protocol).action is Action.DENY


@given(st.data(), st.sampled_from(Protocol), st.sampled_from([*PORTS, 23, None]))
def test_a_redundant_rule_changes_no_verdict(data: st.DataObject, protocol: Protocol, port: int | None) -> None:
    desired = data.draw(desired_states())
    rule = data.draw(rules(desired.peers, "further"))
    # Random rules seldom cover each other, so this one's ends are those of the rule or wider.
    source, destination = (data.draw(st.sampled_from([end, ANYONE])) for end in (rule.source, rule.destination))
    wide = replace(data.draw(rules(desired.peers, "wide")), source=source, destination=destination)
    policy = desired.policy.with_rules([wide])
    if policy.rule_covering(rule) is None:
        return
    after = policy.with_rules([rule])
    parties = [ConnectionEnd(peer.id, peer.groups) for peer in desired.peers]
    for one in parties:
        for other in parties:
            ports = port if protocol.has_ports else None
            before = decide(policy, one, other, protocol, ports).action
            assert decide(after, one, other, protocol, ports).action is before


@given(st.data())
def test_a_repeated_rule_is_redundant(data: st.DataObject) -> None:
    desired = data.draw(desired_states())
    for rule in desired.policy.rules:
        assert desired.policy.rule_covering(replace(rule, id="further", description="again")) is not None


@pytest.mark.parametrize(
    ("present", "further", "redundant"),
    [
        ("deny any any tcp 1-100", "deny any any tcp 22,80", True),
        ("deny any any tcp 22,80", "deny any any tcp 1-100", False),
        ("deny any any tcp 22", "deny any any tcp", False),
        ("deny any any any", "allow machine:a any tcp 22", True),
        ("allow any any any", "deny machine:a any tcp 22", False),
        ("deny machine:a any any", "deny any any any", False),
        ("deny any any udp", "deny any any tcp", False),
    ],
)
def test_a_rule_is_redundant_if_another_one_covers_it(present: str, further: str, redundant: bool) -> None:
    def rule(text: str) -> Rule:
        action, source, destination, protocol, *ports = text.split()
        one, other = (Selector.parse(end, field="end") for end in (source, destination))
        return Rule(text, Action(action), one, other, Protocol(protocol), parse_ports("".join(ports)))

    assert (Policy(rules=(rule(present),)).rule_covering(rule(further)) is not None) is redundant


def test_a_rule_matches_one_direction_only() -> None:
    rule = Rule("x", Action.DENY, Selector(SelectorKind.MACHINE, "a"), Selector(SelectorKind.MACHINE, "b"))
    policy = Policy(Action.ALLOW, (rule,))
    assert decide(policy, ConnectionEnd("a"), ConnectionEnd("b")).action is Action.DENY
    assert decide(policy, ConnectionEnd("b"), ConnectionEnd("a")).action is Action.ALLOW


def test_a_rule_for_ports_needs_a_port_to_match() -> None:
    rule = Rule(
        "x", Action.DENY, Selector(SelectorKind.ANY), Selector(SelectorKind.ANY), Protocol.TCP, parse_ports("22")
    )
    policy = Policy(Action.ALLOW, (rule,))
    assert decide(policy, ConnectionEnd("a"), ConnectionEnd("b"), Protocol.TCP).action is Action.ALLOW
    assert decide(policy, ConnectionEnd("a"), ConnectionEnd("b"), Protocol.TCP, 22).rule is rule
    assert decide(policy, ConnectionEnd("a"), ConnectionEnd("b"), Protocol.UDP, 22).action is Action.ALLOW


@given(port_ranges())
def test_ports_survive_writing_and_reading(ports: tuple[PortRange, ...]) -> None:
    assert parse_ports(format_ports(ports)) == ports


@given(
    st.lists(st.tuples(st.integers(1, 200), st.integers(1, 200)).map(lambda p: PortRange(min(p), max(p))), max_size=8)
)
def test_merging_keeps_every_port_and_leaves_gaps(ranges: list[PortRange]) -> None:
    merged = merge_ports(ranges)
    for port in range(1, 202):
        assert any(port in each for each in merged) == any(port in each for each in ranges)
    assert all(left.last + 1 < right.first for left, right in pairwise(merged))


@pytest.mark.parametrize(
    "text", ["0", "65536", "80-22", "a", "1,,2", "1-2-3", "-5", "٢٢", "22;80", ",".join(["1"] * 101)]
)
def test_invalid_ports_are_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse_ports(text)


@pytest.mark.parametrize("text", ["", "machine:", "group:", "host:x", "ANY", "machine", "group:a\nb"])
def test_invalid_selectors_are_refused(text: str) -> None:
    with pytest.raises(Invalid):
        Selector.parse(text, field="source")


def test_a_selector_s_group_is_spelled_as_machines_have_it() -> None:
    assert Selector.parse("group: Zu\u0308rich", field="source").name == check_group("Z\u00fcrich")


def test_only_tcp_and_udp_have_ports() -> None:
    with pytest.raises(Invalid):
        Rule("x", Action.DENY, Selector(SelectorKind.ANY), Selector(SelectorKind.ANY), Protocol.ICMP, parse_ports("22"))


@given(st.data())
def test_equal_rules_keep_their_ids(data: st.DataObject) -> None:
    """Each old id is reused at most once, ids stay distinct, and nothing else of a rule changes."""
    contents = data.draw(st.lists(rules(PEERS), min_size=1, max_size=4))
    picks = st.lists(st.sampled_from(contents), max_size=6)
    before = Policy(rules=tuple(replace(rule, id=f"old{at}") for at, rule in enumerate(data.draw(picks))))
    sent = [replace(rule, id=f"new{at}") for at, rule in enumerate(data.draw(picks))]
    # A client that edits a policy sends some old rules back unchanged, with their ids.
    returned = (
        data.draw(st.lists(st.sampled_from(before.rules), unique_by=lambda rule: rule.id)) if before.rules else []
    )
    after = Policy(rules=(*returned, *sent))
    kept = with_ids_of(after, before)
    assert [replace(rule, id="") for rule in kept.rules] == [replace(rule, id="") for rule in after.rules]
    assert len({rule.id for rule in kept.rules}) == len(kept.rules)
    count = Counter(replace(rule, id="") for rule in kept.rules if rule in before.rules)
    was, now = (Counter(replace(rule, id="") for rule in policy.rules) for policy in (before, kept))
    assert count == was & now


def test_a_rule_is_parsed_from_its_parts() -> None:
    rule = Rule.parse(action="deny", source="any", destination="group:red", protocol="tcp", ports="22, 80-90")
    again = Rule.parse(action="deny", source="any", destination="group:red", protocol="tcp", ports="80-90,22")
    assert rule.sentence == "deny any to group:red, tcp 22,80-90"
    assert rule.id != again.id
    assert replace(again, id=rule.id) == rule


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("action", "drop"),
        ("source", "everybody"),
        ("destination", "machine:"),
        ("protocol", "sctp"),
        ("ports", "ssh"),
        ("description", "two\nlines"),
    ],
)
def test_an_unreadable_part_of_a_rule_is_named(field: str, text: str) -> None:
    fields = {"action": "allow", "source": "any", "destination": "any", "protocol": "tcp", field: text}
    with pytest.raises(Invalid) as refused:
        Rule.parse(**fields)
    assert refused.value.field == field
