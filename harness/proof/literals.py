"""Constants of nft's JSON as numbers.

Sources: libnftables-json(5); nft(8), "DATA TYPES"; <linux/netfilter/nf_conntrack_common.h>; the registries of IANA for
protocol numbers and ICMP types.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from harness.proof.intervals import Interval

STATES = {"invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64}
STATUS = {"expected": 1, "seen-reply": 2, "assured": 4, "confirmed": 8, "snat": 16, "dnat": 32, "dying": 512}
DIRECTIONS = {"original": 0, "reply": 1}
PROTOCOLS = {
    "icmp": 1,
    "igmp": 2,
    "tcp": 6,
    "udp": 17,
    "dccp": 33,
    "gre": 47,
    "esp": 50,
    "ah": 51,
    "icmpv6": 58,
    "ipv6-icmp": 58,
    "comp": 108,
    "sctp": 132,
    "udplite": 136,
}
ICMP_TYPES = {
    "echo-reply": 0,
    "destination-unreachable": 3,
    "source-quench": 4,
    "redirect": 5,
    "echo-request": 8,
    "router-advertisement": 9,
    "router-solicitation": 10,
    "time-exceeded": 11,
    "parameter-problem": 12,
    "timestamp-request": 13,
    "timestamp-reply": 14,
    "info-request": 15,
    "info-reply": 16,
    "address-mask-request": 17,
    "address-mask-reply": 18,
}
ICMP_CODES = {
    "net-unreachable": 0,
    "host-unreachable": 1,
    "prot-unreachable": 2,
    "port-unreachable": 3,
    "frag-needed": 4,
    "net-prohibited": 9,
    "host-prohibited": 10,
    "admin-prohibited": 13,
}
FAMILIES = {"ipv4": 2, "ipv6": 10}

_WORDS: Mapping[str, Mapping[str, int]] = {
    "ct state": STATES,
    "ct status": STATUS,
    "ct direction": DIRECTIONS,
    "ct protocol": PROTOCOLS,
    "meta l4proto": PROTOCOLS,
    "ip protocol": PROTOCOLS,
    "icmp type": ICMP_TYPES,
    "icmp code": ICMP_CODES,
    "meta nfproto": FAMILIES,
}
_LINKS = ("meta iifname", "meta oifname", "meta iif", "meta oif")
ADDRESS_FIELDS = (
    "ip saddr",
    "ip daddr",
    *(f"ct {way} {end}" for way in ("original", "reply") for end in ("saddr", "daddr")),
)
"""Fields whose values are IPv4 addresses."""
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
_CLASS = re.compile(r"([0-9a-f]*):([0-9a-f]+)")
NO_LINK = -1
"""Index for the name of a link that does not exist."""


class Literals:
    """Reads constants.

    Args:
        links: index by name.
    """

    def __init__(self, links: Mapping[str, int]) -> None:
        self._links = links

    def interval(self, field: str, written: Any) -> Interval | None:
        """The interval that a constant stands for, beside a field of that name; None if it can't be read."""
        if isinstance(written, dict):
            return self._compound(field, written)
        value = self.number(field, written)
        return None if value is None else (value, value)

    def _compound(self, field: str, written: dict[str, Any]) -> Interval | None:
        if set(written) == {"prefix"}:
            try:
                network = IPv4Network((written["prefix"]["addr"], written["prefix"]["len"]))
            except ValueError:
                return None
            return int(network.network_address), int(network.broadcast_address)
        if set(written) == {"range"}:
            first, last = (self.number(field, each) for each in written["range"])
            return None if first is None or last is None else (first, last)
        return None

    def number(self, field: str, written: Any) -> int | None:
        """The number that a constant stands for; None if it can't be read."""
        if isinstance(written, bool) or not isinstance(written, (int, str)):
            return None
        if isinstance(written, int):
            return written
        if field in _LINKS:
            return None if "*" in written else self._links.get(written, NO_LINK)
        if field == "meta priority":
            return _class_number(written)
        if (known := _WORDS.get(field, {}).get(written)) is not None:
            return known
        if _ADDRESS.fullmatch(written):
            return int(IPv4Address(written))
        return None


def _class_number(written: str) -> int | None:
    """Number of a traffic class, written as tc(8) does."""
    if written in ("none", "root"):
        return {"none": 0, "root": 0xFFFF_FFFF}[written]
    found = _CLASS.fullmatch(written)
    return None if found is None else int(found[1] or "0", 16) << 16 | int(found[2], 16)
