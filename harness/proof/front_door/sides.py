"""Datagrams of one hook as terms of z3, before and after the rules, and what is assumed of them."""

from __future__ import annotations

from collections.abc import Mapping

import z3

from harness.proof.bitvectors.logic import Condition, Number, both, either, is_one_of, number, opposite
from harness.proof.front_door.claims import DESK, FIRST_AT, INNER, KIND_AT, OFFERS, SECOND_AT, SESSIONS
from harness.proof.front_door.formula import Contents, Datagram, Walk, slice_of
from harness.proof.front_door.statements import IPV4, IPV6, SLICES, UDP, WIDTHS, Door


class Side:
    """Datagrams of one hook.

    Args:
        index: any index, whose entries are compared before and after.
    """

    hook = ""

    def __init__(self, door: Door, index: Number, desk: frozenset[int]) -> None:
        self._desk = desk
        self._address = door.address
        self.datagram = Datagram()
        self.walk = Walk(door, self.datagram, self.hook)
        self.index = index
        self.sport, self.dport = self.datagram.port("udp sport"), self.datagram.port("udp dport")
        self.final_sport, self.final_dport = (
            slice_of(self.walk.header, *SLICES[name]) for name in ("udp sport", "udp dport")
        )
        self.first, self.second = self.datagram.word(FIRST_AT), self.datagram.word(SECOND_AT)
        self.has_first, self.has_second = self.datagram.has(16), self.datagram.has(20)
        fields = self.datagram.fields
        self.is_udp = both(fields["meta l4proto"] == number(UDP, 8), self.datagram.has(8))
        self.passes = both(self.walk.accepted, self.is_udp)
        # Whether a link, by its port, gave out an index before this datagram.
        self.gave_out = z3.Function("gave out", z3.BitVecSort(16), z3.BitVecSort(32), z3.BoolSort())

    def known(self, port: int) -> list[Condition]:
        """Assumptions about every datagram."""
        family = self.datagram.fields["meta nfproto"]
        closed = (port, 0, *self._desk)
        return [
            either((family == number(IPV4, 8), family == number(IPV6, 8))),
            *(opposite(self.is_in(INNER, number(each, 16))) for each in closed),
            *(self.is_in(DESK, each) == is_one_of(each, self._desk) for each in (self.dport, self.final_dport)),
        ]

    def has_address(self, end: str, fields: Mapping[str, Number]) -> Condition:
        """True if an end's address is the door's, or the door has any."""
        if self._address is None:
            return z3.BoolVal(val=True)
        name = f"{self._address.protocol} {end}"
        return fields[name] == number(self._address.value, WIDTHS[name])

    def is_of_its_family(self) -> Condition:
        """True if the datagram has the protocol of the door's address, or the door has any."""
        if self._address is None:
            return z3.BoolVal(val=True)
        return self.datagram.fields["meta nfproto"] == number(self._address.family, 8)

    def is_of(self, family: int) -> Condition:
        """True if the datagram has this protocol (``meta nfproto``)."""
        return self.datagram.fields["meta nfproto"] == number(family, 8)

    def is_in(self, name: str, key: Number) -> Condition:
        return self.walk.before[name].there[key]

    def is_kind(self, *kinds: int) -> Condition:
        word = self.datagram.word(KIND_AT)
        return both(self.datagram.has(12), either(word == number(kind, 32) for kind in kinds))

    def differs(self, name: str, key: Number) -> Condition:
        """True if an entry is made, renewed, changed or removed."""
        before, after = self.walk.before[name], self.walk.after[name]
        there, then = before.there[key], after.there[key]
        is_changed = after.renewed[key]
        if before.value is not None:
            is_changed = either((is_changed, before.value[key] != after.value[key]))
        return either((there != then, both(then, is_changed)))

    def leads(self, name: str, key: Number, port: Number) -> Condition:
        """True if there is an entry that names a port."""
        contents = self.walk.before[name]
        return both(contents.there[key], contents.value[key] == port)

    def ends_or_leads(self, name: str, key: Number, port: Number) -> Condition:
        """True if there is no entry any more, or one that names a port."""
        after = self.walk.after[name]
        return either((opposite(after.there[key]), after.value[key] == port))

    def owner_is_lost(self, gives_out: Condition) -> Condition:
        """True if each entry named a link that gave out its index, and one does not any more.

        Port 0 is no link's: the hub's process marks maps that nobody has emptied with such an entry.

        Args:
            gives_out: the datagram's source gives out the index.
        """
        names = (SESSIONS, OFFERS)
        owned = (self._is_owned(self.walk.before[name]) for name in names)
        still = (
            either((self._is_owned(after), both(gives_out, after.value[self.index] == self.sport)))
            for after in map(self.walk.after.__getitem__, names)
        )
        return both(*owned, opposite(both(*still)))

    def _is_owned(self, contents: Contents) -> Condition:
        value = contents.value[self.index]
        return either((opposite(contents.there[self.index]), value == number(0, 16), self.gave_out(value, self.index)))
