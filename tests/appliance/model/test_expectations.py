"""Expectations hold exactly if the model's own decision on each of their connections is the expected one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.errors import Invalid
from appliance.model.expectations import Expectation, ExpectationState, evaluate
from appliance.model.policy import ANYONE, Action, Policy, Protocol, Rule, Selector, SelectorKind
from appliance.model.port_ranges import HIGHEST_PORT, parse_ports
from appliance.model.verdict import ConnectionEnd, decide
from tests.appliance.strategies import PORTS, desired_states, selectors

BESIDE = sorted({0, *(port + step for port in PORTS for step in (-1, 0, 1) if port + step <= HIGHEST_PORT)})
"""Ports at and beside the ends of the strategies' ranges, so every range of ports has one of them."""
GUESTS, DB = (Selector(SelectorKind.GROUP, name) for name in ("guests", "db"))


def services(expectation: Expectation) -> list[tuple[Protocol, int | None]]:
    """Lists connections of an expectation's kind: one for each that rules of the strategies can tell apart."""
    protocols = list(Protocol) if expectation.protocol is Protocol.ANY else [expectation.protocol]
    ports = BESIDE if expectation.port is None else [expectation.port]
    return [(each, port) for each in protocols for port in (ports if each.has_ports else [None])]


@given(st.data())
def test_expectations_hold_exactly_as_the_model_decides(data: st.DataObject) -> None:
    desired = data.draw(desired_states())
    machines = [ConnectionEnd(peer.id, peer.groups) for peer in desired.peers]
    ends = selectors(desired.peers)
    asked = []
    for _ in range(data.draw(st.integers(1, 4))):
        protocol = data.draw(st.sampled_from(Protocol))
        port = data.draw(st.sampled_from([None, *PORTS, 23])) if protocol.has_ports else None
        verdict = data.draw(st.sampled_from(Action))
        asked.append(Expectation(data.draw(ends), data.draw(ends), verdict, protocol, port))
    for found, each in zip(evaluate(asked, desired.policy, machines), asked, strict=True):
        pairs = [
            (one, other)
            for one in machines
            for other in machines
            if one is not other and one.matches(each.source) and other.matches(each.destination)
        ]
        holds = all(
            decide(desired.policy, one, other, protocol, port).action is each.verdict
            for one, other in pairs
            for protocol, port in services(each)
        )
        assert found == ExpectationState(each, holds, len(pairs))
        parts = each.parts
        parsed = Expectation.parse(
            source=parts["source"],
            destination=parts["destination"],
            verdict=parts["verdict"],
            protocol=parts["protocol"],
            port=int(parts["port"]) if parts["port"] else None,
        )
        assert parsed == each


def test_an_empty_group_meets_every_expectation() -> None:
    machines = [ConnectionEnd("m0", frozenset({"guests"}))]
    (found,) = evaluate([Expectation(GUESTS, DB, Action.DENY)], Policy(Action.ALLOW), machines)
    assert (found.holds, found.pairs) == (True, 0)


def test_a_machine_is_not_expected_to_reach_itself() -> None:
    machines = [ConnectionEnd("m0", frozenset({"guests", "db"})), ConnectionEnd("m1")]
    (found,) = evaluate([Expectation(GUESTS, DB, Action.DENY)], Policy(Action.ALLOW), machines)
    assert (found.holds, found.pairs) == (True, 0)


def test_what_takes_too_long_is_unknown() -> None:
    machines = [ConnectionEnd("m0", frozenset({"guests"})), ConnectionEnd("m1", frozenset({"db"}))]
    asked = [Expectation(GUESTS, DB, Action.ALLOW), Expectation(DB, DB, Action.ALLOW)]
    found = evaluate(asked, Policy(), machines, most_work=0)
    assert [each.holds for each in found] == [None, True]


def test_two_hundred_expectations_are_evaluated_within_the_work() -> None:
    groups = [f"g{number}" for number in range(20)]
    machines = [
        ConnectionEnd(f"m{number}", frozenset({groups[number % 20], groups[number % 7]})) for number in range(300)
    ]
    allows = tuple(
        Rule(
            str(number),
            Action.ALLOW,
            Selector(SelectorKind.MACHINE, f"m{number % 300}"),
            Selector(SelectorKind.MACHINE, f"m{(7 * number + 1) % 300}"),
            Protocol.TCP,
            parse_ports(str(20 + number % 30)),
        )
        for number in range(3000)
    )
    asked = [
        Expectation(Selector(SelectorKind.GROUP, groups[number % 20]), ANYONE, Action.DENY, Protocol.TCP, 100 + number)
        for number in range(200)
    ]
    assert {each.holds for each in evaluate(asked, Policy(Action.DENY, allows), machines)} == {True}


def test_an_expectation_is_described_and_checked() -> None:
    assert (
        Expectation(GUESTS, DB, Action.DENY, Protocol.TCP, 5432).sentence == "deny group:guests to group:db, tcp 5432"
    )
    for protocol, port in ((Protocol.ANY, 22), (Protocol.ICMP, 22), (Protocol.TCP, 0), (Protocol.UDP, 65536)):
        with pytest.raises(Invalid) as refused:
            Expectation(GUESTS, DB, Action.DENY, protocol, port)
        assert refused.value.field == "port"
