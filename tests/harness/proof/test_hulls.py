"""Boxes around classes: what they leave out, and what comes back to the classes."""

from __future__ import annotations

import pytest

from harness.proof.classes import PacketClass
from harness.proof.fields import Flow, Variable
from harness.proof.hulls import Reads, hulls
from tests.harness.proof.listings import ACCEPT, ct, header, match, parsed

_EVERYTHING = (15,) * len(Variable)


def reads_of(*conditions: dict[str, object]) -> Reads:
    """Expressions of one rule with these conditions."""
    return Reads(parsed([*conditions, ACCEPT]).rules())


def packets(is_limited: bool = False, **sets: int) -> PacketClass:
    """A class with these sets, and new packets alone unless said otherwise."""
    named = {"FLOW": 1 << Flow.NEW, **sets}
    own = tuple(named.get(variable.name, 3) for variable in Variable)
    return PacketClass(own, (0, 0, 0), is_limited=is_limited)


def test_one_box_is_around_all_classes_with_the_same_registers() -> None:
    reads = reads_of(match(ct("ip saddr", "original"), "10.100.0.2"))
    some = [packets(SOURCE=1), packets(SOURCE=4, FLOW=1 << Flow.REPLY), packets(SOURCE=2)]
    (hull,) = hulls(some, reads, _EVERYTHING)
    assert hull.box.sets[Variable.SOURCE] == 7
    assert hull.box.sets[Variable.DESTINATION] == 15
    assert [packets for _, packets in hull.members] == some
    assert len(hulls([*some, some[0].with_register(0, 1)], reads, _EVERYTHING)) == 2


def test_flows_that_are_read_differently_are_apart() -> None:
    both = packets(FLOW=1 << Flow.NEW | 1 << Flow.ORIGINAL | 1 << Flow.REPLY)
    apart = hulls([both], reads_of(match(header("ip", "saddr"), "10.100.0.2")), _EVERYTHING)
    assert [flows for hull in apart for flows, _ in hull.members] == [
        1 << Flow.NEW | 1 << Flow.ORIGINAL,
        1 << Flow.REPLY,
    ]


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("meanwhile", [False, True])
def test_outcomes_are_cut_to_a_class(before: bool, meanwhile: bool) -> None:
    one = packets(before, SOURCE=6, TYPE=1)._replace(agree=15, differ=(240,))
    (hull,) = hulls([one], reads_of(match(ct("ip saddr", "original"), "10.100.0.2")), _EVERYTHING)
    outcomes = [hull.box.with_set(Variable.SOURCE, atoms)._replace(is_limited=meanwhile) for atoms in (1, 10)]
    (cut,) = hull.cut([each.with_register(0, 5) for each in outcomes])
    assert cut == one.with_set(Variable.SOURCE, 2).with_register(0, 5)._replace(is_limited=before or meanwhile)
