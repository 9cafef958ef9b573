"""Choice of one packet out of a class."""

from __future__ import annotations

import random
from ipaddress import IPv4Address

import pytest

from harness.proof.choice import Unreachable, choose
from harness.proof.classes import PacketClass
from harness.proof.fields import TCP, UDP, Flow, Variable
from harness.proof.space import Space, space_of
from tests.harness.proof.listings import ACCEPT, LINKS, parsed

_NOBODY = int(IPv4Address("0.0.0.0"))
_HOPELESS = 400
"""Draws that a search for two different addresses would take at least."""


class _Counted(random.Random):
    """Chance that counts its draws."""

    draws = 0

    def getrandbits(self, number: int, /) -> int:
        self.draws += 1
        return super().getrandbits(number)


def _space() -> Space:
    return space_of(parsed([ACCEPT]), LINKS.values(), [(_NOBODY, _NOBODY)], [])


def _from_nobody_to_itself(space: Space, protocols: int) -> PacketClass:
    sets = {each: space.of(each).everything for each in Variable}
    sets |= {end: space.of(end).atoms_with(_NOBODY) for end in (Variable.SOURCE, Variable.DESTINATION)}
    return PacketClass(tuple((sets | {Variable.PROTOCOL: protocols})[each] for each in Variable), (None,) * 3)


def test_one_address_with_itself_is_no_connection() -> None:
    space, chance = _space(), _Counted(0)
    universe = space.of(Variable.PROTOCOL)
    without_ports = universe.everything & ~universe.atoms_in([(1, 1), (TCP, TCP), (UDP, UDP)])
    with pytest.raises(Unreachable, match="both directions"):
        choose(_from_nobody_to_itself(space, without_ports), Flow.ORIGINAL, space, chance, is_usual=True)
    assert chance.draws < _HOPELESS * without_ports.bit_count()


def test_ports_tell_the_directions_of_one_address_apart() -> None:
    space = _space()
    packets = _from_nobody_to_itself(space, space.of(Variable.PROTOCOL).atoms_with(TCP))
    found = choose(packets, Flow.ORIGINAL, space, random.Random(0), is_usual=True)
    assert found[Variable.SOURCE] == found[Variable.DESTINATION] == _NOBODY
    assert found[Variable.SOURCE_PORT] != found[Variable.DESTINATION_PORT]
