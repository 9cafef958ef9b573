"""The chains of one lookup, and those that give a packet its classes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from appliance.hub.ruleset import buckets
from appliance.hub.ruleset.classes import NO_CLASS, Classes
from appliance.hub.ruleset.document import Draft
from appliance.hub.ruleset.lookups import CLASS_SHIFT, Elements, Key, Lookup, in_mark, in_priority
from appliance.model.policy import Action, Kind

ALLOWED_MARK = 0x1
"""What an allowed packet carries; only this mark has a route."""

ACCEPT = f"meta mark set {ALLOWED_MARK:#x} accept"
STATE = (1 << CLASS_SHIFT) - 1
"""The part of the mark that says how far a packet has come."""
CLASS = 0xFFFF_FFFF ^ STATE

_SOURCE = {Kind.MACHINE: "ct original ip saddr", Kind.GROUP: "meta priority", Kind.ANY: None}
_DESTINATION = {Kind.MACHINE: "ct original ip daddr", Kind.GROUP: f"(meta mark & {CLASS:#x})", Kind.ANY: None}

_RULE = "r_"

V = TypeVar("V")


def counter_name(rule_id: str) -> str:
    """Of the counter of a rule; a name in nft begins with a letter."""
    return f"{_RULE}{rule_id}"


def rule_of(counter: str) -> str | None:
    """The id of the rule that a counter belongs to; None where it is that of no rule."""
    return counter.removeprefix(_RULE) if counter.startswith(_RULE) else None


def past(lookup: Lookup) -> str:
    """The chain for packets that a lookup for denials does not know."""
    return f"{lookup.name}_past"


def add_lookup(draft: Draft, lookup: Lookup, elements: Elements) -> None:
    """The chain that is called for this lookup, and its buckets.

    What it knows is dropped or accepted there. What it does not know returns: from a lookup for denials by way of the
    chain `past`, which is the caller's to make.
    """
    if not lookup.has_ports and not _fields(lookup):
        ((_, rule),) = elements[()]
        draft.add(lookup.name, f'counter name "{counter_name(rule)}" {_verdict(lookup)}')
        return
    size = sum(map(len, elements.values()))
    miss = past(lookup) if lookup.action is Action.DENY else None
    _spread(draft, lookup.name, _fields(lookup), elements, size, lambda part: _statements(lookup, part), miss=miss)


def add_source_class(draft: Draft, name: str, classes: Classes) -> None:
    """The chain that puts the class of the source into the packet's priority."""
    _add_classes(draft, name, "meta priority", "ct original ip saddr", classes, in_priority)


def add_destination_class(draft: Draft, name: str, classes: Classes) -> None:
    """The chain that puts the class of the destination into the packet's mark, and zero into the rest of it."""
    _add_classes(draft, name, "meta mark", "ct original ip daddr", classes, in_mark)


def _add_classes(draft: Draft, name: str, place: str, field: str, classes: Classes, text: Callable[[int], str]) -> None:
    def statements(part: Mapping[Key, int]) -> Iterator[str]:
        known = "".join(f"{address} : {text(number)}, " for (address,), number in part.items())
        yield f"{place} set {field} map {{ {known}* : {text(NO_CLASS)} }}"

    numbers: dict[Key, int] = {(str(address),): number for address, number in classes.of_address.items()}
    rest = f"{name}_other"
    draft.add(rest, f"{place} set {text(NO_CLASS)}")
    _spread(draft, name, (field,), numbers, len(numbers), statements, miss=rest)


def _fields(lookup: Lookup) -> tuple[str, ...]:
    source, destination = lookup.shape
    return tuple(field for field in (_SOURCE[source], _DESTINATION[destination]) if field is not None)


def _verdict(lookup: Lookup) -> str:
    return "drop" if lookup.action is Action.DENY else ACCEPT


def _statements(lookup: Lookup, elements: Elements) -> Iterator[str]:
    condition, fields = "", _fields(lookup)
    if lookup.has_ports:
        # An ICMP error has the ports of the connection that it quotes. That no other protocol comes here is known
        # already; it is said again because nft takes `proto-dst` for a port only where it knows the protocol.
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
    for key, of_key in elements.items():
        for ports, rule in of_key:
            yield " . ".join(key if ports is None else (*key, str(ports))), rule


def _spread(
    draft: Draft,
    name: str,
    fields: Sequence[str],
    elements: Mapping[Key, V],
    size: int,
    statements: Callable[[Mapping[Key, V]], Iterable[str]],
    *,
    miss: str | None,
) -> None:
    """A chain for all elements, or one that leads to the bucket of a packet's key.

    Args:
        size: how many elements there are, each range of ports being one.
        statements: of the chain that has these elements.
        miss: where a packet goes on whose bucket is empty; None if what follows is no matter.
    """
    count = buckets.count_for(size) if fields else 1
    if count == 1:
        draft.add_with_sets(name, *statements(elements))
        return
    parts: list[dict[Key, V]] = [{} for _ in range(count)]
    for key, value in elements.items():
        parts[buckets.bucket_of(key, count)][key] = value
    # Buckets of another count are other chains: packets go on through the old ones until the switch.
    leads = [(number, f"{name}_{count}_{number}" if part else miss) for number, part in enumerate(parts)]
    for number, part in enumerate(parts):
        if part:
            draft.add_with_sets(f"{name}_{count}_{number}", *statements(part))
    cases = ", ".join(f"{number} : goto {lead}" for number, lead in leads if lead is not None)
    hashed = f"jhash {' . '.join(fields)} mod {count} seed {buckets.SEED:#x}"
    draft.add_with_sets(name, f"{hashed} vmap {{ {cases} }}")
