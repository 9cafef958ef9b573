"""The chains of one lookup, and those that give a packet its classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from operator import itemgetter

from appliance.hub.ruleset.classes import NO_CLASS
from appliance.hub.ruleset.document import ChainDraft
from appliance.hub.ruleset.lookups import (
    CLASS_SHIFT,
    Element,
    Elements,
    Key,
    Lookup,
    in_mark,
    in_priority,
)
from appliance.hub.ruleset.spread import Spread
from appliance.model.policy import Action, SelectorKind

ALLOWED_MARK = 0x1
"""Mark of an allowed packet; only packets with it find a route."""

ACCEPT = f"meta mark set {ALLOWED_MARK:#x} accept"
STATE = (1 << CLASS_SHIFT) - 1
"""Part of the mark that counts the denial lookups that a packet has passed."""
CLASS = 0xFFFF_FFFF ^ STATE

_SOURCE = {SelectorKind.MACHINE: "ct original ip saddr", SelectorKind.GROUP: "meta priority", SelectorKind.ANY: None}
_DESTINATION = {
    SelectorKind.MACHINE: "ct original ip daddr",
    SelectorKind.GROUP: f"(meta mark & {CLASS:#x})",
    SelectorKind.ANY: None,
}

_RULE = "r_"


def counter_name(rule_id: str) -> str:
    """Name of a rule's counter, which must begin with a letter in nft."""
    return f"{_RULE}{rule_id}"


def rule_of(counter: str) -> str | None:
    """Id of the rule that owns a counter; None if no rule does."""
    return counter.removeprefix(_RULE) if counter.startswith(_RULE) else None


def past(lookup: Lookup) -> str:
    """Name of the chain for packets that a lookup for denials does not match."""
    return f"{lookup.name}_past"


def spread_of(lookup: Lookup) -> Spread[tuple[Element, ...]]:
    """Make the chain of this lookup and its buckets, without any elements.

    Matching packets are dropped or accepted there. Other ones return, from a lookup for denials by way of the chain
    `past`, which the caller makes.
    """
    miss = past(lookup) if lookup.action is Action.DENY else None
    return Spread(lookup.name, _fields(lookup), len, partial(_statements, lookup), miss=miss)


def source_classes() -> Spread[int]:
    """Make the chain ``source``, which writes the class of the source to the packet's priority."""
    return _classes("source", "meta priority", "ct original ip saddr", in_priority)


def destination_classes() -> Spread[int]:
    """Make the chain ``destination``, which writes the class of the destination to the mark, and clears the rest."""
    return _classes("destination", "meta mark", "ct original ip daddr", in_mark)


def _classes(name: str, place: str, field: str, text: Callable[[int], str]) -> Spread[int]:
    def statements(part: Mapping[Key, int]) -> Iterator[str]:
        known = "".join(f"{address} : {text(number)}, " for (address,), number in sorted(part.items()))
        yield f"{place} set {field} map {{ {known}* : {text(NO_CLASS)} }}"

    return Spread(name, (field,), lambda _: 1, statements, miss=f"{name}_other")


def add_no_classes(draft: ChainDraft) -> None:
    """Add the chains to which `source_classes` and `destination_classes` send packets of machines in no class."""
    draft.add("source_other", f"meta priority set {in_priority(NO_CLASS)}")
    draft.add("destination_other", f"meta mark set {in_mark(NO_CLASS)}")


def _fields(lookup: Lookup) -> tuple[str, ...]:
    source, destination = lookup.shape
    return tuple(field for field in (_SOURCE[source], _DESTINATION[destination]) if field is not None)


def _verdict(lookup: Lookup) -> str:
    return "drop" if lookup.action is Action.DENY else ACCEPT


def _statements(lookup: Lookup, elements: Elements) -> Iterator[str]:
    condition, fields = "", _fields(lookup)
    if not fields and not lookup.has_ports:
        ((_, rule),) = elements[()]
        yield f'counter name "{counter_name(rule)}" {_verdict(lookup)}'
        return
    if lookup.has_ports:
        # An ICMP error has the ports of the connection that it quotes. No other protocol comes here; the condition is
        # there because nft takes `proto-dst` for a port only if it knows the protocol.
        condition = f"meta l4proto {{ {lookup.topic.value}, icmp }} "
        fields = (*fields, "ct original proto-dst")
    key, texts = " . ".join(fields), list(_texts(elements))
    if lookup.action is Action.DENY:
        known = ", ".join(f"{text} : continue" for text, _ in texts)
        yield f"{condition}{key} vmap {{ {known}, * : goto {past(lookup)} }}"
    counted = ", ".join(f'{text} : "{counter_name(rule)}"' for text, rule in texts)
    yield f"{condition}counter name {key} map {{ {counted} }} {_verdict(lookup)}"
    if lookup.action is Action.DENY:
        yield "drop"


def _texts(elements: Elements) -> Iterator[tuple[str, str]]:
    for key, of_key in sorted(elements.items(), key=itemgetter(0)):
        for ports, rule in of_key:
            yield " . ".join(key if ports is None else (*key, str(ports))), rule
