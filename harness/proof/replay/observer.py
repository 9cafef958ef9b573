"""Rules beside those of a reading that note the state of each packet and decide nothing.

They stand right behind connection tracking, and behind all rules of the hook by which packets are delivered. What is
noted of a packet is its IP identification.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from harness.proof.fields import ABOUT_ORIGINAL, ABOUT_REPLY, Flow

_TABLE = "meshwg_observer"
_SETS = {
    "is_new": "ct state new",
    "is_established": "ct state established",
    "is_related": "ct state related",
    "is_invalid": "ct state invalid",
    "is_untracked": "ct state untracked",
    "is_confirmed": "ct status confirmed",
    "is_reply": "ct direction reply",
}
_DELIVERED = "is_delivered"
_FLOWS = {
    frozenset({"is_new"}): (Flow.NEW,),
    frozenset({"is_new", "is_confirmed"}): (Flow.NEW_CONFIRMED,),
    frozenset({"is_established", "is_confirmed"}): (Flow.ORIGINAL,),
    frozenset({"is_established", "is_confirmed", "is_reply"}): (Flow.REPLY,),
    frozenset({"is_related", "is_confirmed", "is_reply"}): ABOUT_ORIGINAL,
    frozenset({"is_related", "is_confirmed"}): ABOUT_REPLY,
    frozenset({"is_invalid"}): (Flow.INVALID, Flow.UNTRACKED_LATE),
    frozenset({"is_untracked"}): (Flow.UNTRACKED,),
}


def rules() -> str:
    """The rules, in nft's language."""
    names = (*_SETS, _DELIVERED)
    noted = [f"{condition} add @{name} {{ ip id }}" for name, condition in _SETS.items()]
    lines = [
        f"table ip {_TABLE} {{",
        *(f"set {name} {{ typeof ip id; flags dynamic; size 65536; }}" for name in names),
        "chain tracked {",
        "type filter hook prerouting priority -199; policy accept;",
        "iif lo accept",
        *noted,
        "}",
        "chain delivered {",
        "type filter hook input priority 2147483647; policy accept;",
        f"iif != lo add @{_DELIVERED} {{ ip id }}",
        "}",
        "}",
    ]
    return "\n".join(lines)


@dataclass(frozen=True)
class Noted:
    """Notes about one packet.

    Attributes:
        flows: that its state can be; none if it was dropped before connection tracking, or in a state that has no name.
        words: its state in the words of nft; "" if it was dropped before connection tracking.
        is_delivered: it came past all rules on the way to the host itself.
    """

    flows: tuple[Flow, ...]
    words: str
    is_delivered: bool


def noted(run: Callable[..., str], numbers: Iterable[int]) -> dict[int, Noted]:
    """Reads what was noted of the packets with these IP identifications."""
    listed = json.loads(run("nft", "-j", "list", "table", "ip", _TABLE))["nftables"]
    sets = {each["set"]["name"]: frozenset(each["set"].get("elem", ())) for each in listed if "set" in each}
    found = {}
    for number in numbers:
        of_packet = frozenset(name for name in _SETS if number in sets[name])
        words = " ".join(sorted(name.removeprefix("is_") for name in of_packet))
        found[number] = Noted(_FLOWS.get(of_packet, ()), words, number in sets[_DELIVERED])
    return found
