"""Terms of the second engine: arithmetic, intervals, hashes, chains, and fates of single packets."""

from __future__ import annotations

import subprocess
import sys

import pytest
import z3
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.desired import Desired
from harness.proof import Unmodelled, meaning
from harness.proof.atoms import Fate
from harness.proof.bitvectors.expressions import Metadata, Reader
from harness.proof.bitvectors.hashing import bucket, in_host_order, jhash
from harness.proof.bitvectors.logic import FALSE, Condition, lies_in, number
from harness.proof.bitvectors.packet import Packet, invariants, unknown
from harness.proof.bitvectors.question import solve
from harness.proof.bitvectors.sendable import can_be_sent
from harness.proof.bitvectors.way import Walk
from harness.proof.engines import Disagreement, check_agreement
from harness.proof.fields import RELATED, Flow
from harness.proof.literals import PROTOCOLS, STATES
from harness.proof.proof import Proof, outer_links
from harness.proof.ruleset import And, Concat, Element, Expression, Field, Hash, Literal, Match, Or, Raw, Ruleset
from harness.proof.words import Counterexample
from tests.appliance.hub.ruled import Kernel
from tests.appliance.strategies import PORTS, desired_states
from tests.harness.proof.compiled import reading_of
from tests.harness.proof.fates import ROUTING, fate
from tests.harness.proof.formulas import THIRD, Formula
from tests.harness.proof.listings import ACCEPT, LINKS, MARK, ct, match, parsed
from tests.properties import sharing_fixtures

WORDS = st.integers(0, 2**32 - 1)
ACCEPTED = [MARK, ACCEPT]


def value_of(term: z3.BitVecRef) -> int:
    """Value of a term without unknowns."""
    return int(z3.simplify(term).as_long())


def truth_of(condition: Condition) -> bool:
    """Truth of a condition without unknowns."""
    return bool(z3.is_true(z3.simplify(condition)))


# The vectors of lookup3.c, for 30 bytes. Two bytes of zeros make whole words of them, which the seed takes back.
_SPEECH = b"Four score and seven years ago\0\0"
_SHORTER = 2**32 - 2


@pytest.mark.parametrize(("seed", "expected"), [(_SHORTER, 0x17770551), (_SHORTER + 1, 0xCD628161)])
def test_hashes_are_those_of_lookup3(seed: int, expected: int) -> None:
    words = [int.from_bytes(_SPEECH[at : at + 4], "little") for at in range(0, len(_SPEECH), 4)]
    assert value_of(jhash([number(each, 32) for each in words], seed)) == expected


@given(st.lists(WORDS, min_size=1, max_size=3), WORDS, st.integers(1, 300), st.integers(0, 9))
def test_buckets_are_those_of_the_first_engine(words: list[int], seed: int, modulus: int, offset: int) -> None:
    term = bucket([number(each, 32) for each in words], modulus, seed, offset)
    assert value_of(term) == meaning.bucket(words, modulus, seed, offset)


@given(WORDS)
def test_headers_are_in_the_networks_order(address: int) -> None:
    assert value_of(in_host_order(number(address, 32))).to_bytes(4, "little") == address.to_bytes(4, "big")


@given(st.sampled_from([8, 16, 32]), st.data())
def test_intervals_hold_what_lies_between(width: int, data: st.DataObject) -> None:
    most = (1 << width) - 1
    near = st.one_of(st.integers(-1, most + 1), st.sampled_from([0, 1, most >> 1, (most >> 1) + 1, most - 1, most]))
    first, last, value = (data.draw(near) for _ in range(3))
    term = z3.BitVec("x", width)
    within = z3.substitute(lies_in(term, (first, last)), (term, number(value, width)))
    assert truth_of(within) is (first <= (value & most) <= last)


def reader(mark: int = 0, packet: Packet | None = None) -> Reader:
    """Reads a packet with this mark, after connection tracking."""
    zero = number(0, 32)
    return Reader(packet or unknown(), Metadata(number(mark, 32), zero, zero, FALSE, is_seen=True))


@given(WORDS, WORDS, WORDS)
def test_marks_are_masked_and_set(mark: int, mask: int, bits: int) -> None:
    term = reader(mark).read(Or(And(Field("meta mark"), mask), bits))
    assert value_of(term.value) == mark & mask | bits


@given(st.tuples(*[st.integers(0, 12)] * 3))
def test_each_part_of_a_key_has_an_interval_of_its_own(ports: tuple[int, int, int]) -> None:
    """Parts of a key are compared each by itself, and what no element has finds the last one."""
    packet = unknown()
    key = Concat((Field("meta mark"), Field("ct original proto-src"), Field("ct original proto-dst")))
    elements = (Element(((3, 3), (5, 9), (0, 4)), 1), Element(((4, 8), (0, 9), (7, 7)), 2), Element(None, 3))
    hits = reader(ports[0], packet).look_up(key, elements)
    opened = packet.connection.original
    given_values = (
        (opened.source_port, number(ports[1], 16)),
        (opened.destination_port, number(ports[2], 16)),
        (packet.connection.state, number(STATES["new"], 32)),
    )
    found = {value for value, condition in hits.by_value.items() if truth_of(z3.substitute(condition, *given_values))}
    expected = 1 if ports[0] == 3 and 5 <= ports[1] <= 9 and ports[2] <= 4 else 3
    if 4 <= ports[0] <= 8 and ports[1] <= 9 and ports[2] == 7:
        expected = 2
    assert found == {expected}
    assert truth_of(z3.substitute(hits.is_there, *given_values))


@pytest.mark.parametrize(
    "expression",
    [
        Field("ip ttl"),
        Field("ct mark"),
        Raw("nh", 0, 8),
        Hash(Literal(1), 4, 0, 0),
    ],
    ids=str,
)
def test_what_has_no_meaning_is_refused(expression: Expression) -> None:
    with pytest.raises(Unmodelled):
        reader().matches(Match(expression, (Element(((1, 1),)),)))


def test_chains_that_lead_back_are_refused() -> None:
    ruleset = parsed(
        [match(ct("state"), "new", "in"), {"jump": {"target": "x"}}], chains={"x": [[{"goto": {"target": "x"}}]]}
    )
    with pytest.raises(Unmodelled, match="leads back"):
        Walk(ruleset, ROUTING, unknown()).ends()


@pytest.mark.parametrize(("prio", "fates"), [(-300, {Fate.FORWARDED}), (-150, set())], ids=["before", "after"])
def test_what_is_not_tracked_has_no_connection(prio: int, fates: set[Fate]) -> None:
    """``notrack`` before connection tracking keeps packets from it; later, it leaves a connection alone."""
    rules = ([match(ct("state"), "new", "in"), {"drop": None}], [{"notrack": None}], ACCEPTED)
    ruleset = parsed(*rules, prio=prio, policy="accept")
    assert fates_of(ruleset, Flow.UNTRACKED) == fates
    assert fates_of(ruleset, Flow.NEW) == (set() if prio == -300 else {Fate.DROPPED})


def test_rates_are_met_or_not() -> None:
    ruleset = parsed([match(ct("state"), "new", "in"), {"limit": {"rate": 1, "per": "second"}}, *ACCEPTED])
    assert fates_of(ruleset, Flow.NEW) == {Fate.FORWARDED, Fate.DROPPED}


def test_each_state_of_tracking_is_possible() -> None:
    """No two invariants contradict each other, and none keeps a flow away."""
    ruleset = parsed([match(ct("state"), "new", "in"), *ACCEPTED])
    for flow in set(Flow) - {Flow.UNSEEN, Flow.UNTRACKED, Flow.UNTRACKED_LATE}:
        kind = 3 if flow in RELATED else 0 if flow is Flow.REPLY else 8
        for protocol in ("icmp",) if flow in RELATED else PROTOCOLS:
            if protocol in ("tcp", "udp", "icmp", "gre"):
                assert fates_of(ruleset, flow, protocol, kind=kind)


@pytest.mark.parametrize(("source", "is_sent"), [(0, False), (1, True)])
def test_no_connection_of_the_source_0_0_0_0_can_be_sent(source: int, is_sent: bool) -> None:
    """The host, which sends what opens it, has its own address put there."""
    packet = unknown()
    related = [packet.connection.is_in("related"), packet.connection.original.source == source]
    assert (solve([*related, can_be_sent(packet, FALSE)]) is not None) is is_sent


def test_each_invariant_names_its_source() -> None:
    found = list(invariants(unknown(), [2]))
    assert len({each.name for each in found}) == len(found)
    assert all(".c, " in each.source or ".h, " in each.source for each in found)


@pytest.mark.long
@given(desired_states(), st.data())
@sharing_fixtures(6)
def test_single_packets_have_the_fate_of_the_first_engine(
    kernel: Kernel, desired: Desired, data: st.DataObject
) -> None:
    kernel.load(desired)
    reading = reading_of(kernel)
    ruleset, routing = reading.parsed()
    walk = Formula(ruleset, routing, outer_links(reading))
    ends = [str(data.draw(st.sampled_from(desired.peers)).address) for _ in range(2)]
    port = data.draw(st.sampled_from(PORTS))
    link = next(name for name in reading.link_indexes if name != "lo")
    for flow in set(Flow) - {Flow.UNSEEN, Flow.UNTRACKED_LATE}:
        if ends[0] == ends[1] and flow in RELATED:
            # One address is both an end and the other.
            continue
        for protocol in ("tcp", "icmp", "gre"):
            for kind in (8, 0, 3, 5):
                first = fate(
                    ruleset,
                    flow,
                    protocol,
                    *ends,
                    ports=(40000, port),
                    kind=kind,
                    sender=THIRD,
                    routing=routing,
                    links=reading.link_indexes,
                    link=link,
                )
                second = walk.fates(
                    flow, protocol, *ends, ports=(40000, port), kind=kind, link=reading.link_indexes[link]
                )
                assert first == second, (flow, protocol, kind)


def fates_of(ruleset: Ruleset, flow: Flow, protocol: str = "tcp", *, kind: int = 8) -> set[Fate]:
    """Computes the possible fates of one packet of a flow between two machines."""
    walk = Formula(ruleset, ROUTING, [LINKS["wg"]])
    return walk.fates(flow, protocol, "10.100.0.2", "10.100.0.3", ports=(40000, 22), kind=kind, link=LINKS["wg"])


def proof(engine: str, *examples: Counterexample) -> Proof:
    """A proof, or a refutation by examples."""
    return Proof("", "", engine, 1, examples, 0.0)


def test_engines_that_disagree_are_a_failure() -> None:
    wrong = Counterexample("tcp a → b", "new", "forwarded", "dropped", (), {})
    check_agreement([proof("atoms"), proof("z3")])
    check_agreement([proof("atoms", wrong), proof("z3", wrong)])
    for one, other in (("atoms", "z3"), ("z3", "atoms")):
        with pytest.raises(Disagreement, match=f"{one} proves what {other} refutes: tcp a"):
            check_agreement([proof(one), proof(other, wrong)])


def test_z3_is_loaded_by_its_engine_alone() -> None:
    program = "import sys, harness.cli.commands.prove; sys.exit('z3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
