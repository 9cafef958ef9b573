"""Probes that stand for a cell of the matrix: one for each part that the policy tells apart, and never too many."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.model.matrix import CellKind, Matrix
from appliance.model.policy import Action, Policy, Protocol, Rule, Selector
from appliance.model.port_ranges import parse_ports
from appliance.model.probes import ProbeKind, choose, services_of
from appliance.model.verdict import ConnectionEnd, decide

MACHINES = [ConnectionEnd(each) for each in "ab"]


def matrix(action: Action, protocol: Protocol, ports: str) -> Matrix:
    source, destination = (Selector.parse(f"machine:{each.id}", field="source") for each in MACHINES)
    default = Action.DENY if action is Action.ALLOW else Action.ALLOW
    return Matrix(Policy(default, (Rule("r", action, source, destination, protocol, parse_ports(ports)),)), MACHINES)


@given(st.sampled_from(Action), st.sampled_from(["22", "22,443", "1-65535", "1", "65535", "8000-8100,9000"]))
def test_both_sides_of_a_rule_for_ports_are_probed(action: Action, ports: str) -> None:
    made = matrix(action, Protocol.TCP, ports)
    source, destination = made.parties
    ((cell,),) = made.rows([source], [destination])
    assert cell.kind is CellKind.SAME
    found = choose([("a", "b")], list(services_of(cell)), 100)
    rule = parse_ports(ports)
    inside = {any(each.port in ranges for ranges in rule) for each in found if each.kind is ProbeKind.TCP and each.port}
    assert True in inside
    assert (False in inside) == (ports != "1-65535")
    assert {each.kind for each in found} == set(ProbeKind)


@given(st.integers(0, 5), st.integers(0, 9), st.integers(-1, 30))
def test_probes_are_never_too_many(pairs: int, services: int, most: int) -> None:
    asked = [(ProbeKind.TCP, port) for port in range(1, services + 1)]
    found = choose([("a", str(number)) for number in range(pairs)], asked, most)
    assert len(found) <= max(0, most)
    assert bool(found) == (pairs * services > 0 and most > 0)
    assert len(set(found)) == len(found)


def test_a_probe_of_another_protocol_meets_rules_for_any() -> None:
    made = matrix(Action.DENY, Protocol.ANY, "")
    source, destination = made.parties
    ((cell,),) = made.rows([source], [destination])
    probes = choose([("a", "b")], list(services_of(cell)), 100)
    (other,) = (each for each in probes if each.kind is ProbeKind.OTHER)
    assert other.protocol is Protocol.ANY
    policy = Policy(
        Action.ALLOW, (Rule("r", Action.DENY, *(Selector.parse("any", field="source"),) * 2, other.protocol, ()),)
    )
    assert decide(policy, MACHINES[0], MACHINES[1], other.protocol, None).action is Action.DENY
