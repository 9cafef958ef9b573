"""Walks of all packets at once: each packet has the fates that it has alone, by both engines."""

from __future__ import annotations

from ipaddress import IPv4Address
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from harness.proof.atoms import Engine, Fate
from harness.proof.chains import Memory
from harness.proof.classes import PacketClass
from harness.proof.fields import TCP, Flow, Variable
from harness.proof.ruleset import Ruleset
from harness.proof.space import Space, space_of
from tests.harness.proof.fates import ROUTING, fate
from tests.harness.proof.formulas import Formula
from tests.harness.proof.listings import LINKS
from tests.harness.proof.rulesets import ENDS, PORTS, rulesets
from tests.properties import sharing_fixtures

_OWN_PORT = 40000
# What notrack marks late was invalid, and stays so in each walk of a single packet.
_FLOWS = {
    Flow.NEW: (Flow.NEW,),
    Flow.REPLY: (Flow.REPLY,),
    Flow.INVALID: (Flow.INVALID, Flow.UNTRACKED_LATE),
}


def _space(ruleset: Ruleset) -> Space:
    """The space of `fate` for all packets of these tests."""
    addresses = [(int(IPv4Address(each)),) * 2 for each in ENDS]
    ports = [(port, port) for port in (*PORTS, _OWN_PORT)]
    return space_of(ruleset, LINKS.values(), [*addresses, *ROUTING.boundaries()], ports)


@given(rulesets())
@sharing_fixtures(60)
def test_packets_fare_together_as_alone(ruleset: Ruleset) -> None:
    space = _space(ruleset)
    engine = Engine(ruleset, ROUTING, Memory(space))
    finals = engine.walk()
    for flow, source, destination, port in product(_FLOWS, ENDS[:2], ENDS[1:3], PORTS[:1]):
        values = {
            Variable.FLOW: flow,
            Variable.LINK: LINKS["wg"],
            Variable.PROTOCOL: TCP,
            Variable.SOURCE: int(IPv4Address(source)),
            Variable.DESTINATION: int(IPv4Address(destination)),
            Variable.SOURCE_PORT: _OWN_PORT,
            Variable.DESTINATION_PORT: port,
        }
        sets = dict(zip(Variable, space.everything(), strict=True))
        sets |= {variable: space.of(variable).atoms_in([(value, value)]) for variable, value in values.items()}
        one = PacketClass(tuple(sets.values()), (0, None, 0))
        alone = {each.fate for each in engine.walk(one)}
        sets[Variable.FLOW] = sum(1 << each for each in _FLOWS[flow])
        together = {each.fate for each in finals if all(map(int.__and__, each.packets.sets, sets.values()))}
        assert together == alone, (flow, source, destination, port)


@given(rulesets(), st.sampled_from(list(_FLOWS)), st.sampled_from(ENDS), st.sampled_from(ENDS), st.sampled_from(PORTS))
@sharing_fixtures(30)
def test_both_engines_know_the_same_fates(
    ruleset: Ruleset, flow: Flow, source: str, destination: str, port: int
) -> None:
    alone = fate(ruleset, flow, "tcp", source, destination, ports=(_OWN_PORT, port), link="wg")
    formula = Formula(ruleset, ROUTING, [LINKS["wg"]])
    ports = (_OWN_PORT, port)
    assert formula.fates(flow, "tcp", source, destination, ports=ports, kind=8, link=LINKS["wg"]) == alone
    assert alone <= {Fate.FORWARDED, Fate.DROPPED}
