"""Rules of a front door as plain values: one nftables table whose rules write to its own sets and maps.

What they mean is none of this module's business, so two engines can share it and nothing else. Values of headers are in
the network's order of bytes: a message of type 4 has the word 0x04000000, because WireGuard writes it little endian.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from harness.proof.errors import Unmodelled
from harness.proof.ruleset import Decide, Field, Hook, NoTrack, Raw

HEADER_BYTES = 64
"""Bytes of UDP header and payload that expressions may read."""

SLICES = {"udp sport": (0, 16), "udp dport": (16, 16), "udp length": (32, 16), "udp checksum": (48, 16)}
"""First bit and number of bits of each field of the UDP header."""

WIDTHS = {
    "ip saddr": 32,
    "ip daddr": 32,
    "ip6 saddr": 128,
    "ip6 daddr": 128,
    "meta iif": 32,
    "meta oif": 32,
    "meta mark": 32,
    "meta skuid": 32,
    "meta nfproto": 8,
    "meta l4proto": 8,
    "fib daddr type": 32,
    "fib saddr type": 32,
}
"""Bits of each field that is in no UDP header."""

ADDRESSES = {
    "ip saddr": 0xC0000201,
    "ip daddr": 0xC0000202,
    "ip6 saddr": (0x20010DB8 << 96) + 1,
    "ip6 daddr": (0x20010DB8 << 96) + 2,
}
"""Addresses of a datagram where it makes no difference which ones they are."""

LO = 1
"""Index of the loopback link."""

ROOT, ANOTHER_USER = 0, 65534
"""Users whose process sends a datagram: that of the hub, and one that stands for all others (``meta skuid``)."""

IPV4, IPV6, UDP = 2, 10, 17
"""Numbers of ``meta nfproto`` and ``meta l4proto``."""

UNICAST, LOCAL = 1, 2
"""Types of addresses, as routes have them: another host's, and the host's own (<linux/rtnetlink.h>)."""


@dataclass(frozen=True)
class Masked:
    """The bits of a field that a mask keeps."""

    of: Field | Raw
    mask: int


@dataclass(frozen=True)
class Key:
    """Key of a set or map: several values side by side."""

    parts: tuple[Field | Raw | Masked, ...]


@dataclass(frozen=True)
class Constant:
    """A constant."""

    value: int


@dataclass(frozen=True)
class Entry:
    """The value that a map has for a key; a rule ends where it has none."""

    key: Key
    name: str


Value = Field | Raw | Masked | Constant | Entry


@dataclass(frozen=True)
class Compare:
    """Ends the rule unless a value is a constant, or is not one if `negated`."""

    left: Field | Raw | Masked
    right: int
    negated: bool


@dataclass(frozen=True)
class Member:
    """Ends the rule unless a key is in a set or map, or is not if `negated`."""

    key: Key
    name: str
    negated: bool


@dataclass(frozen=True)
class Store:
    """Writes to a header or to the packet's metadata."""

    field: Field
    value: Value


@dataclass(frozen=True)
class Change:
    """Adds, updates or deletes an element of a set or map.

    Attributes:
        op: add, update or delete.
        value: of a map; None for a set.
        has_rate: the element has a rate of its own, within which or beyond which the rule ends.
    """

    op: str
    name: str
    key: Key
    value: Field | Raw | Masked | None = None
    has_rate: bool = False


@dataclass(frozen=True)
class Rate:
    """Ends the rule within a rate, or beyond one."""


Statement = Compare | Member | Store | Change | Rate | NoTrack | Decide


@dataclass(frozen=True)
class Rule:
    """A rule; its handle is nft's name for it."""

    handle: int
    statements: tuple[Statement, ...]


@dataclass(frozen=True)
class Chain:
    """A chain; only base chains have a hook."""

    name: str
    hook: Hook | None
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class Memory:
    """A set or map.

    Attributes:
        key: bits of its key.
        value: bits of its values; 0 for a set.
        lease: seconds that an element lasts; 0 for ever.
    """

    name: str
    key: int
    value: int
    lease: int


@dataclass(frozen=True)
class Address:
    """An address of this host.

    Attributes:
        family: `IPV4` or `IPV6`.
    """

    family: int
    value: int

    @property
    def protocol(self) -> str:
        """Name of its protocol in the names of fields."""
        return "ip" if self.family == IPV4 else "ip6"


@dataclass(frozen=True)
class Door:
    """A front door's table."""

    name: str
    chains: Mapping[str, Chain]
    memories: Mapping[str, Memory]

    def bases(self, hook: str) -> tuple[Chain, ...]:
        """Base chains of a hook, in the order in which the kernel calls them."""
        found = [(each.hook.priority, each) for each in self.chains.values() if each.hook and each.hook.name == hook]
        return tuple(chain for _, chain in sorted(found, key=lambda each: each[0]))

    def statements(self) -> Iterator[Statement]:
        """Every statement of every rule."""
        for name in self.chains:
            yield from self._of_chain(name)

    def reached(self, hook: str) -> tuple[Statement, ...]:
        """Every statement that a packet of a hook may come to."""
        names = [each.name for each in self.bases(hook)]
        for name in names:
            verdicts = (each.verdict for each in self._of_chain(name) if isinstance(each, Decide))
            names += dict.fromkeys(each.chain for each in verdicts if each.chain and each.chain not in names)
        return tuple(statement for name in names for statement in self._of_chain(name))

    def _of_chain(self, name: str) -> Iterator[Statement]:
        for rule in self.chains[name].rules:
            yield from rule.statements

    @property
    def public_port(self) -> int:
        """The port that rules make links' messages leave from.

        Raises:
            Unmodelled: they set none, or several.
        """
        found = {
            each.value.value
            for each in self.statements()
            if isinstance(each, Store) and each.field.name == "udp sport" and isinstance(each.value, Constant)
        }
        if len(found) != 1:
            raise Unmodelled(f"links that leave from {len(found)} ports", f"table inet {self.name}")
        return found.pop()

    @cached_property
    def address(self) -> Address | None:
        """The only address that links send from, where rules set one: nothing else is the door's; None: any address.

        Raises:
            Unmodelled: rules set several.
        """
        families = {"ip saddr": IPV4, "ip6 saddr": IPV6}
        found = {
            Address(families[each.field.name], each.value.value)
            for each in self.statements()
            if isinstance(each, Store) and each.field.name in families and isinstance(each.value, Constant)
        }
        if len(found) > 1:
            raise Unmodelled("links that send from several addresses", f"table inet {self.name}")
        return next(iter(found), None)

    @property
    def written(self) -> frozenset[str]:
        """Names of the sets and maps that rules write to."""
        return frozenset(each.name for each in self.statements() if isinstance(each, Change))


def width_of(value: Field | Raw | Masked) -> int:
    """Bits of a value."""
    if isinstance(value, Masked):
        return width_of(value.of)
    if isinstance(value, Raw):
        return value.length
    return SLICES[value.name][1] if value.name in SLICES else WIDTHS[value.name]
