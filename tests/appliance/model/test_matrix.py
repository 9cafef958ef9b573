"""Matrix of who may open what to whom, compared with the verdict on each connection."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from hypothesis import given

from appliance.model.desired import Desired
from appliance.model.matrix import CellKind, Matrix
from appliance.model.policy import ANYONE, Action, Policy, Protocol, Rule, Selector, SelectorKind
from appliance.model.services import ServiceProtocol, ServiceRange
from appliance.model.verdict import ConnectionEnd, decide
from tests.appliance.strategies import PORTS, desired_states

Probe = tuple[Protocol, int]

# Each port at which a random rule begins or ends, and its neighbours; port 0 is in rules for all ports alone.
PROBED = sorted({port + step for port in PORTS for step in (-1, 0, 1) if port + step <= 65535})
PROBES = [(protocol, port) for protocol in Protocol for port in (PROBED if protocol.has_ports else [1])]


def ends(state: Desired) -> list[ConnectionEnd]:
    return [ConnectionEnd(peer.id, peer.groups) for peer in state.peers]


def probed(policy: Policy, source: ConnectionEnd, destination: ConnectionEnd) -> set[Probe]:
    """Lists the probes that the policy's verdict allows."""
    return {
        (protocol, port)
        for protocol, port in PROBES
        if decide(policy, source, destination, protocol, port if protocol.has_ports else None).action is Action.ALLOW
    }


def contained(services: Iterable[ServiceRange]) -> set[Probe]:
    """Lists the probes that a description of services has."""
    kinds = {Protocol.ANY: ServiceProtocol.OTHER}
    return {
        (protocol, port)
        for protocol, port in PROBES
        for each in services
        if each.protocol in (ServiceProtocol.ANY, kinds.get(protocol, protocol.value))
        and (not each.ports or any(port in ports for ports in each.ports))
    }


@given(desired_states())
def test_cells_say_what_every_pair_may_open(state: Desired) -> None:
    matrix = Matrix(state.policy, ends(state))
    machines = {each.id: each for each in ends(state)}
    cells = [cell for row in matrix.rows(matrix.parties, matrix.parties) for cell in row]
    for (source, destination), cell in zip(product(matrix.parties, repeat=2), cells, strict=True):
        found = [
            probed(state.policy, machines[one], machines[other])
            for one, other in product(source.ids, destination.ids)
            if one != other
        ]
        if not found:
            assert cell.kind is CellKind.ITSELF
            continue
        assert contained(cell.some) == set().union(*found)
        assert contained(cell.rest) == {*PROBES} - contained(cell.some)
        is_same = all(each == found[0] for each in found)
        assert (cell.kind is CellKind.MIXED) is not is_same
        assert (cell.kind is CellKind.ALLOWED) is (is_same and found[0] == {*PROBES})
        assert (cell.kind is CellKind.DENIED) is (is_same and not found[0])


@given(desired_states())
def test_every_machine_has_a_row_for_each_of_its_names(state: Desired) -> None:
    matrix = Matrix(state.policy, ends(state))
    named = {end for rule in state.policy.rules for end in (rule.source, rule.destination) if end != ANYONE}
    for machine in ends(state):
        rows = [party for party in matrix.parties if machine.id in party.ids]
        names = {str(each) for each in named if machine.matches(each)}
        assert {str(party.selector) for party in rows} == (names or {"None"})
    for party in matrix.parties:
        assert len(party.ids) == len(set(party.ids)) > 0


@given(desired_states())
def test_cells_of_machines_told_apart_are_never_mixed(state: Desired) -> None:
    matrix = Matrix(state.policy, ends(state))
    for source, destination in product(matrix.parties, repeat=2):
        parts = [matrix.split(party) for party in (source, destination)]
        for party, of_party in zip((source, destination), parts, strict=True):
            assert sorted(machine for part in of_party for machine in part.ids) == sorted(party.ids)
        rows = matrix.rows(*parts)
        assert not {cell.kind for row in rows for cell in row} & {CellKind.MIXED, CellKind.SKIPPED}


@given(desired_states())
def test_rules_between_parties_are_all_that_decide(state: Desired) -> None:
    matrix = Matrix(state.policy, ends(state))
    machines = {each.id: each for each in ends(state)}
    for source, destination in product(matrix.parties, repeat=2):
        rules = tuple(matrix.rules_between(source, destination))
        alone = Policy(state.policy.default, rules)
        pairs = [(machines[one], machines[other]) for one, other in product(source.ids, destination.ids)]
        for one, other in pairs:
            assert probed(alone, one, other) == probed(state.policy, one, other)
        for rule in rules:
            assert any(one.matches(rule.source) and other.matches(rule.destination) for one, other in pairs)


def test_work_beyond_the_bound_is_skipped() -> None:
    machines = [ConnectionEnd(f"m{number}") for number in range(100)]
    rules = tuple(Rule(m.id, Action.DENY, Selector(SelectorKind.MACHINE, m.id), ANYONE) for m in machines)
    cells = []
    for most_work in (20_000, 150):
        matrix = Matrix(Policy(rules=rules), machines, most_work=most_work)
        cells.append([row[0].kind for row in matrix.rows(matrix.parties, matrix.parties)])
    enough, little = cells
    assert enough == [CellKind.ITSELF] + [CellKind.DENIED] * 99
    assert little[:10] == enough[:10]
    assert little[-1] is CellKind.SKIPPED
