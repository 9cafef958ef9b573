"""A datagram and contents of the maps as z3's model has them, to be followed step by step."""

from __future__ import annotations

import z3

from harness.proof.front_door.datagrams import Element, Values, World
from harness.proof.front_door.formula import Walk
from harness.proof.front_door.statements import HEADER_BYTES, Door


class Told(World):
    """The unknowns of a walk with the values of a model; rates and room are chosen."""

    def __init__(self, door: Door, values: Values, walk: Walk, model: z3.ModelRef) -> None:
        super().__init__(door, values)
        self._walk = walk
        self._model = model
        header = self._number(walk.datagram.header)
        self._bytes = header.to_bytes(HEADER_BYTES, "big")

    def _number(self, term: z3.ExprRef) -> int:
        return int(self._model.eval(term, model_completion=True).as_long())

    @property
    def readable(self) -> int:
        """Bytes of UDP header and payload that can be read."""
        return min(self._number(self._walk.datagram.readable), HEADER_BYTES)

    def field(self, name: str) -> int:
        """A field that is in no UDP header."""
        self._fields[name] = self._number(self._walk.datagram.fields[name])
        return self._fields[name]

    def bits(self, first: int, length: int) -> int:
        """Bits of the UDP header and payload."""
        return int.from_bytes(self._bytes[first // 8 : (first + length) // 8], "big")

    def datagram(self) -> tuple[dict[str, int], bytes, int]:
        """Fields, UDP header and payload, and the number of their bytes that are there."""
        fields = {name: self._number(term) for name, term in self._walk.datagram.fields.items()}
        return fields, self._bytes, self.readable

    def _element(self, name: str, key: int) -> Element:
        contents, bits = self._walk.before[name], self._door.memories[name].key
        index = z3.BitVecVal(key, bits)
        there = bool(z3.is_true(self._model.eval(contents.there[index], model_completion=True)))
        value = self._number(contents.value[index]) if contents.value is not None else 0
        return Element(there, value if there else 0)
