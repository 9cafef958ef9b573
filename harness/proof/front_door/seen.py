"""A datagram after the rules of a hook, beside what it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.proof.front_door.claims import GIVEN4, GIVEN6, INNER, KIND_AT
from harness.proof.front_door.interpreter import Machine
from harness.proof.front_door.statements import IPV4, LOCAL, SLICES, UDP, Door

_HEADER = 8


class Seen:
    """A datagram after the rules of a hook, beside what it was."""

    def __init__(self, door: Door, end: Machine) -> None:
        self.world = end.world
        self.machine = end
        self.accepted = end.accepted
        self.address = door.address

    def port(self, name: str) -> int:
        """A port as it came."""
        return self.world.bits(*SLICES[name])

    def final(self, name: str) -> int:
        """A port in the end."""
        return self.machine.written.get(name, self.port(name))

    def is_to(self, public: int) -> bool:
        """True if it came to the public port, of the door's address where it has only one."""
        return self.port("udp dport") == public and self._is_of_its_family() and self._has_address("daddr", {})

    def is_from_the_address(self) -> bool:
        """True if it leaves from the door's address, or the door has any, or it is of the other protocol."""
        return not self._is_of_its_family() or self._has_address("saddr", self.machine.written)

    def _is_of_its_family(self) -> bool:
        return self.address is None or self.world.field("meta nfproto") == self.address.family

    def _has_address(self, end: str, written: Mapping[str, int]) -> bool:
        if self.address is None:
            return True
        name = f"{self.address.protocol} {end}"
        return written.get(name, self.world.field(name)) == self.address.value

    @property
    def is_udp(self) -> bool:
        return self.world.field("meta l4proto") == UDP and self.world.readable >= _HEADER

    @property
    def kind(self) -> int | None:
        """First word of the message; None if it can't be read."""
        return self._word(KIND_AT)

    def index(self, at: int) -> int | None:
        """An index of the message; None if it can't be read."""
        return self._word(at)

    def _word(self, at: int) -> int | None:
        return self.world.bits(at, 32) if 8 * self.world.readable >= at + 32 else None

    def named(self, name: str, index: int | None) -> int | None:
        """The port that an entry named before the datagram came; None if there is no entry."""
        if index is None:
            return None
        element = self.world.first_element(name, index)
        return element.value if element.there else None

    def given(self) -> int | None:
        """The port that the hub's process has for the source; None if it has none."""
        is_4 = self.world.field("meta nfproto") == IPV4
        name, address = (GIVEN4, "ip saddr") if is_4 else (GIVEN6, "ip6 saddr")
        return self.named(name, self.world.field(address) << 16 | self.port("udp sport"))

    def is_in(self, name: str, port: int) -> bool:
        return self.world.first_element(name, port).there

    def changes(self, *names: str) -> Iterator[tuple[str, int]]:
        """Entries of some maps that were made, renewed, changed or removed."""
        for (name, key), after in tuple(self.world.after.items()):
            before = self.world.before[name, key]
            changed = after.there and (after.renewed or after.value != before.value)
            if name in names and (changed or before.there != after.there):
                yield name, key

    @property
    def is_of_link(self) -> bool:
        """True if a link sends it: nobody else has its port, and the source is the host's own address."""
        is_own = self.is_udp and self.is_in(INNER, self.port("udp sport"))
        return is_own and self.world.field("fib saddr type") == LOCAL
