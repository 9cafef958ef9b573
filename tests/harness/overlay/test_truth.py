"""The reference model of a policy, compared with the policy's definition and with the product's model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.policy import Action, Policy, Protocol, Selector, SelectorKind
from appliance.model.policy import Rule as ModelRule
from appliance.model.port_ranges import parse_ports
from appliance.model.verdict import ConnectionEnd, decide
from harness.judging.record import Record
from harness.overlay.machine import Machine
from harness.overlay.mesh import Rule
from harness.overlay.truth import CellKey, PortProtocol, borders, is_allowed
from tests import properties

GROUPS = ("red", "green", "blue")
PORTS = (1, 21, 22, 23, 80, 7999, 8000, 8100, 8101, 65535)
SERVICES = (PortProtocol("icmp"), *(PortProtocol(protocol, port) for protocol in ("tcp", "udp") for port in PORTS))


def machine(number: int, groups: Iterable[str] = ()) -> Machine:
    """Returns a machine without a host and a tunnel."""
    nothing = cast(Any, None)
    return Machine(
        f"m{number}",
        f"machine-{number}",
        f"10.100.0.{number + 2}",
        tuple(groups),
        "",
        "10.100.0.1",
        nothing,
        nothing,
        Record(),
    )


ONE, TWO = machine(1, ["red"]), machine(2, ["green", "blue"])
SSH = CellKey(ONE, TWO, PortProtocol("tcp", 22))


@st.composite
def port_lists(draw: st.DrawFn) -> str:
    """Draws port lists as a person writes them: ports and ranges in any order, overlapping or not."""
    pairs = draw(st.lists(st.tuples(st.sampled_from(PORTS), st.sampled_from(PORTS)), min_size=1, max_size=3))
    return ",".join(str(low) if low == high else f"{min(low, high)}-{max(low, high)}" for low, high in pairs)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    """Draws any rule that the API accepts."""
    selectors = st.sampled_from(["any", "machine:m0", "machine:m1", "machine:m2", *(f"group:{g}" for g in GROUPS)])
    made: Rule = {
        "action": draw(st.sampled_from(["allow", "deny"])),
        "source": draw(selectors),
        "destination": draw(selectors),
    }
    protocol = draw(st.sampled_from([None, "any", "tcp", "udp", "icmp"]))
    if protocol is not None:
        made["protocol"] = protocol
    if protocol in ("tcp", "udp"):
        ports = draw(st.none() | st.just("all") | port_lists())
        if ports is not None:
            made["ports"] = ports
    return made


cells = st.builds(
    lambda numbers, groups, others, service: CellKey(machine(numbers[0], groups), machine(numbers[1], others), service),
    st.permutations(range(3)),
    st.sets(st.sampled_from(GROUPS)),
    st.sets(st.sampled_from(GROUPS)),
    st.sampled_from(SERVICES),
)
defaults = st.sampled_from(["allow", "deny"])
policies = st.lists(rules(), max_size=6)


def denies(rule: Rule) -> Rule:
    """Returns this rule with the action deny."""
    return {**rule, "action": "deny"}


def allows(rule: Rule) -> Rule:
    """Returns this rule with the action allow."""
    return {**rule, "action": "allow"}


@pytest.mark.long
@given(cells, defaults, policies)
@properties.examples(500)
def test_two_models_that_share_no_code_agree(cell: CellKey, default: str, rules_given: list[Rule]) -> None:
    policy = Policy(
        Action(default),
        tuple(
            ModelRule(
                f"r{number}",
                Action(rule["action"]),
                Selector.parse(rule["source"], field="source"),
                Selector.parse(rule["destination"], field="destination"),
                Protocol(rule.get("protocol", "any")),
                parse_ports(rule.get("ports", "all")),
            )
            for number, rule in enumerate(rules_given)
        ),
    )
    decided = decide(
        policy,
        ConnectionEnd(cell.source.id, frozenset(cell.source.groups)),
        ConnectionEnd(cell.destination.id, frozenset(cell.destination.groups)),
        Protocol(cell.service.protocol),
        cell.service.port,
    )
    assert is_allowed(cell, default, rules_given) is (decided.action is Action.ALLOW)


def test_a_selector_means_the_same_to_both() -> None:
    assert Selector.parse("any", field="source") == Selector(SelectorKind.ANY)
    assert Selector.parse("group:red", field="source") == Selector(SelectorKind.GROUP, "red")
    assert Selector.parse("machine:m1", field="source") == Selector(SelectorKind.MACHINE, "m1")


@given(cells, defaults)
def test_without_a_rule_the_default_decides(cell: CellKey, default: str) -> None:
    assert is_allowed(cell, default, []) is (default == "allow")


@given(cells, defaults, policies, st.randoms(use_true_random=False))
def test_the_order_of_rules_never_matters(cell: CellKey, default: str, rules_given: list[Rule], random: Any) -> None:
    shuffled = [*rules_given, *rules_given]
    random.shuffle(shuffled)
    assert is_allowed(cell, default, shuffled) is is_allowed(cell, default, rules_given)


@given(cells, defaults, policies, rules())
def test_deny_rules_only_deny_and_allow_rules_only_allow(
    cell: CellKey, default: str, rules_given: list[Rule], more: Rule
) -> None:
    before = is_allowed(cell, default, rules_given)
    assert is_allowed(cell, default, [*rules_given, denies(more)]) <= before
    assert is_allowed(cell, default, [*rules_given, allows(more)]) >= before


@given(cells, defaults, policies)
def test_deny_wins_over_allow_and_allow_over_the_default(cell: CellKey, default: str, rules_given: list[Rule]) -> None:
    everything: Rule = {"action": "deny", "source": "any", "destination": "any"}
    assert is_allowed(cell, default, [*rules_given, everything]) is False
    assert is_allowed(cell, default, [allows(rule) for rule in rules_given] + [allows(everything)]) is True
    # Where a rule applies, the default has no say.
    if is_allowed(cell, "allow", rules_given) is is_allowed(cell, "deny", rules_given):
        return
    assert all(is_allowed(cell, "allow", [denies(rule)]) for rule in rules_given)


@given(cells, defaults, rules())
def test_a_rule_acts_exactly_on_what_it_applies_to(cell: CellKey, default: str, rule: Rule) -> None:
    denied = not is_allowed(cell, "allow", [denies(rule)])
    allowed = is_allowed(cell, "deny", [allows(rule)])
    assert denied is allowed
    assert is_allowed(cell, default, [rule]) is (rule["action"] == "allow" if denied else default == "allow")


@pytest.mark.parametrize(
    ("limits", "applies"),
    [
        ({}, True),
        ({"source": "machine:m1", "destination": "machine:m2"}, True),
        ({"source": "machine:m2", "destination": "machine:m1"}, False),
        ({"source": "group:red"}, True),
        ({"source": "group:green"}, False),
        ({"destination": "group:blue"}, True),
        ({"destination": "group:red"}, False),
        ({"source": "group:m1"}, False),
        ({"source": "machine:red"}, False),
        ({"source": "group:"}, False),
        ({"source": "red"}, False),
        ({"protocol": "any"}, True),
        ({"protocol": "tcp"}, True),
        ({"protocol": "udp"}, False),
        ({"protocol": "icmp"}, False),
        ({"protocol": "tcp", "ports": "all"}, True),
        ({"protocol": "tcp", "ports": ""}, True),
        ({"protocol": "tcp", "ports": "22"}, True),
        ({"protocol": "tcp", "ports": "21,23"}, False),
        ({"protocol": "tcp", "ports": "80,20-22"}, True),
        ({"protocol": "tcp", "ports": "22-80"}, True),
        ({"protocol": "tcp", "ports": "23-80"}, False),
        ({"protocol": "udp", "ports": "22"}, False),
    ],
    ids=str,
)
def test_a_rule_applies_to_what_its_fields_name(limits: dict[str, str], applies: bool) -> None:
    rule: Rule = {"action": "deny", "source": "any", "destination": "any", **limits}
    assert is_allowed(SSH, "allow", [rule]) is not applies


def test_a_rule_applies_to_the_direction_of_opening() -> None:
    rule: Rule = {"action": "deny", "source": "machine:m1", "destination": "machine:m2"}
    assert not is_allowed(CellKey(ONE, TWO, PortProtocol("icmp")), "allow", [rule])
    assert is_allowed(CellKey(TWO, ONE, PortProtocol("icmp")), "allow", [rule])


def test_a_rule_for_ports_does_not_apply_to_icmp() -> None:
    assert is_allowed(
        replace(SSH, service=PortProtocol("icmp")),
        "allow",
        [{"action": "deny", "source": "any", "destination": "any", "ports": "22"}],
    )


@pytest.mark.parametrize("kind", [0, 3, 5, 9, 14, 19, 255])
def test_an_icmp_message_that_asks_nothing_opens_nothing(kind: int) -> None:
    cell = replace(SSH, service=PortProtocol("icmp", kind=kind))
    everything: Rule = {"action": "allow", "source": "any", "destination": "any"}
    assert not is_allowed(cell, "allow", [everything])


@pytest.mark.parametrize("kind", [8, 13, 15, 17])
def test_an_icmp_request_has_the_verdict_of_icmp(kind: int) -> None:
    cell = replace(SSH, service=PortProtocol("icmp", kind=kind))
    rule: Rule = {"action": "deny", "source": "any", "destination": "any", "protocol": "icmp"}
    assert is_allowed(cell, "allow", [])
    assert not is_allowed(cell, "allow", [rule])


def test_a_protocol_without_a_name_is_meant_by_any_alone() -> None:
    cell = replace(SSH, service=PortProtocol("47"))
    rule: Rule = {"action": "deny", "source": "any", "destination": "any"}
    assert not is_allowed(cell, "allow", [rule])
    assert is_allowed(cell, "allow", [{**rule, "protocol": each} for each in ("tcp", "udp", "icmp")])


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ("all", []),
        (None, []),
        ("22", [21, 22, 23]),
        ("80,8000-8100", [79, 80, 81, 7999, 8000, 8100, 8101]),
        ("1-2", [0, 1, 2, 3]),
        ("65534-65535", [65533, 65534, 65535]),
    ],
)
def test_borders_are_ends_of_ranges_and_the_ports_beside(ports: str | None, expected: list[int]) -> None:
    assert borders({"action": "allow", "source": "any", "destination": "any", "ports": ports}) == expected
