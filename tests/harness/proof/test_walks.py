"""Walks of all packets at once: each packet has the fates that it has alone, by both engines."""

from __future__ import annotations

from ipaddress import IPv4Address
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.proof.atoms import Engine, Fate
from harness.proof.choice import covers
from harness.proof.classes import PacketClass
from harness.proof.fields import RELATED, TCP, Flow, Variable
from harness.proof.passages import Memory
from harness.proof.ruleset import Ruleset
from harness.proof.space import Space, space_of
from tests.harness.proof.fates import ROUTING, fate
from tests.harness.proof.formulas import Formula
from tests.harness.proof.listings import ACCEPT, DROP, LINKS, MARK, ct, header, match, meta, parsed
from tests.harness.proof.rulesets import ENDS, FROM_ITS_END, PORTS, rulesets
from tests.properties import sharing_fixtures

_OWN_PORT = 40000
_UNREACHABLE, _REQUEST = 3, 8
_SENDER = int(IPv4Address(ENDS[3]))
# What notrack marks late was invalid, and stays so in each walk of a single packet.
_FLOWS = {
    Flow.NEW: (Flow.NEW,),
    Flow.ORIGINAL: (Flow.ORIGINAL,),
    Flow.REPLY: (Flow.REPLY,),
    **{flow: (flow,) for flow in RELATED},
    Flow.INVALID: (Flow.INVALID, Flow.UNTRACKED_LATE),
}
# Of an error by anybody, the two engines' tests have other senders.
_OF_BOTH = (Flow.NEW, Flow.REPLY, Flow.INVALID, Flow.ABOUT_ORIGINAL_BY_END, Flow.ABOUT_REPLY_BY_END)


def _space(ruleset: Ruleset) -> Space:
    """The space of `fate` for all packets of these tests."""
    addresses = [(int(IPv4Address(each)),) * 2 for each in ENDS]
    ports = [(port, port) for port in (*PORTS, _OWN_PORT)]
    return space_of(ruleset, LINKS.values(), [*addresses, *ROUTING.boundaries()], ports)


def _kind(flow: Flow) -> int:
    """Type of ICMP of a packet that has this flow."""
    return _UNREACHABLE if flow in RELATED else _REQUEST


@pytest.mark.long
@given(rulesets())
@sharing_fixtures(60)
def test_packets_fare_together_as_alone(ruleset: Ruleset) -> None:
    check_fates(ruleset)


PASS = [MARK, ACCEPT]
_TO_A = {"jump": {"target": "a"}}
_FROM_FIRST, _TO_SECOND = match(ct("ip saddr", "original"), ENDS[0]), match(ct("ip daddr", "original"), ENDS[1])
_HAS_ONE = match(ct("state"), ["new", "established", "related"], "in")
_CLASSED = {"mangle": {"key": meta("mark"), "value": 0x10}}


@pytest.mark.parametrize(
    ("rules", "chain"),
    [
        ([[_TO_A], [match(ct("state"), "untracked", "in"), *PASS]], [[{"notrack": None}]]),
        ([[_TO_A]], [[*FROM_ITS_END, *PASS]]),
        ([[_HAS_ONE, _FROM_FIRST, _TO_A], [_HAS_ONE, _TO_SECOND, _TO_A]], [[_HAS_ONE, _FROM_FIRST, DROP], PASS]),
        ([[_FROM_FIRST, _CLASSED], [_TO_A], [_HAS_ONE, *PASS]], [[match(meta("mark"), 0x10), DROP]]),
        ([[_TO_A], [_HAS_ONE, *PASS]], [[match(header("ip", "saddr"), ENDS[0]), DROP]]),
        ([[_TO_A], [_HAS_ONE, *PASS]], [[match(header("tcp", "dport"), PORTS[0]), DROP]]),
        ([[_TO_A], [_HAS_ONE, *PASS]], [[match(ct("direction"), "reply"), DROP]]),
    ],
    ids=["notrack", "compares", "called twice", "two marks", "address", "port", "direction"],
)
def test_packets_fare_alone_in_a_chain_that_many_come_to(rules: list[list[Any]], chain: list[list[Any]]) -> None:
    check_fates(parsed(*rules, chains={"a": chain}))


def check_fates(ruleset: Ruleset) -> None:
    """Compares the fates of single packets in a walk of all with those that each has alone."""
    space = _space(ruleset)
    engine = Engine(ruleset, ROUTING, Memory(space))
    finals = engine.walk()
    for flow, source, destination, port in product(_FLOWS, ENDS[:2], ENDS[1:3], PORTS[:1]):
        if flow in RELATED and source == destination:
            # One address is both an end and the other.
            continue
        values = {
            Variable.FLOW: int(flow),
            Variable.LINK: LINKS["wg"],
            Variable.PROTOCOL: TCP,
            Variable.SOURCE: int(IPv4Address(source)),
            Variable.DESTINATION: int(IPv4Address(destination)),
            Variable.SOURCE_PORT: _OWN_PORT,
            Variable.DESTINATION_PORT: port,
            Variable.TYPE: _kind(flow),
            Variable.CODE: 0,
            Variable.SENDER: _SENDER,
            Variable.QUOTED: 0x45,
        }
        one = tuple(space.of(variable).atoms_with(values[variable]) for variable in Variable)
        alone = {each.fate for each in engine.walk(PacketClass(one, (0, None, 0)))}
        together = {
            each.fate
            for each in finals
            if any(covers(each.packets, {**values, Variable.FLOW: state}, space) for state in _FLOWS[flow])
        }
        assert together == alone, (flow, source, destination, port)


@pytest.mark.long
@given(rulesets(), st.sampled_from(_OF_BOTH), st.sampled_from(ENDS), st.sampled_from(ENDS), st.sampled_from(PORTS))
@sharing_fixtures(30)
def test_both_engines_know_the_same_fates(
    ruleset: Ruleset, flow: Flow, source: str, destination: str, port: int
) -> None:
    if flow in RELATED and source == destination:
        return
    kind, ports = _kind(flow), (_OWN_PORT, port)
    alone = fate(ruleset, flow, "tcp", source, destination, ports=ports, kind=kind, link="wg")
    formula = Formula(ruleset, ROUTING, [LINKS["wg"]])
    assert formula.fates(flow, "tcp", source, destination, ports=ports, kind=kind, link=LINKS["wg"]) == alone
    assert alone <= {Fate.FORWARDED, Fate.DROPPED}
