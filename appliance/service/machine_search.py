"""Search in the list of machines: by text, group and state, in several orders, page by page."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from ipaddress import IPv4Address
from itertools import takewhile
from typing import Any, TypeVar

from appliance.model.desired import PeerStatus
from appliance.model.errors import Invalid
from appliance.service import machines, pages
from appliance.service.actor import Actor
from appliance.service.context import Context, Statuses
from appliance.service.observed import MachineState, ObservedMachine, is_online, observed, state_of, statuses
from appliance.store import machine_outlines
from appliance.store.fitting import count_fitting
from appliance.store.machine_outlines import Outline
from appliance.store.machines import ROW_BYTES

LONGEST_QUERY = 255
"""Most characters of a searched text: as many as a name has."""

_Choice = TypeVar("_Choice", bound=Enum)


class Order(str, Enum):
    """Order of a list of machines; ties are in the order of addresses."""

    ADDRESS = "address"
    NAME = "name"
    STATE = "state"
    HANDSHAKE = "handshake"
    RECEIVED = "received"
    SENT = "sent"


@dataclass(frozen=True)
class Search:
    """Conditions that machines have to meet all together, and the order of the list.

    Attributes:
        query: part of the name, in any case, or of the address or the public key; empty: any.
        group: name of a group, exactly; empty: any.
        state: None: any.
        order: latest handshake and largest traffic first, everything else ascending.
    """

    query: str = ""
    group: str = ""
    state: MachineState | None = None
    order: Order = Order.ADDRESS

    @classmethod
    def parse(cls, query: str, group: str, state: str, order: str = "") -> Search:
        """Make a search from texts; an empty one sets no condition.

        Raises:
            Invalid: there is no such state or order, or the query is longer than any name.
        """
        if len(query) > LONGEST_QUERY:
            raise Invalid("A searched text has at most {longest} characters.", field="query", longest=LONGEST_QUERY)
        return cls(
            query.strip(),
            group.strip(),
            _choice(MachineState, state, "state") if state else None,
            _choice(Order, order, "order") if order else Order.ADDRESS,
        )

    @property
    def narrows(self) -> bool:
        """True if some machines may not meet it."""
        return bool(self.query or self.group or self.state)

    @property
    def is_plain(self) -> bool:
        """True for all machines in the order of their addresses, which the store can page through by itself."""
        return not self.narrows and self.order is Order.ADDRESS


EVERYTHING = Search()


@dataclass(frozen=True)
class Seen:
    """An outline with its WireGuard status.

    Attributes:
        online: true if the last handshake is recent.
    """

    outline: Outline
    status: PeerStatus | None
    online: bool

    @property
    def state(self) -> MachineState:
        """State of the machine."""
        return state_of(self.outline.enabled, self.status, online=self.online, has_connected=self.outline.has_connected)


def page(
    context: Context, actor: Actor, search: Search, *, after: str | None = None, limit: int = pages.LONGEST
) -> tuple[Sequence[ObservedMachine], str | None]:
    """List a page of the machines that meet a search.

    Args:
        after: as the page before returned it: an address in the order of addresses, otherwise an id.

    Returns:
        The page, and the ``after`` of the next one (None: it is the last).

    Raises:
        Invalid: ``after`` is no position in this list.
    """
    if search.is_plain:
        return machines.page(context, actor, after=after, limit=limit)
    with context.store.read() as transaction:
        outlines = machine_outlines.all_of(transaction, actor.organization_id)
    found = matches(search, outlines, statuses(context, actor), context.clock().timestamp())
    following = [each.outline for each in found[_start(search, found, after) :]]
    part, mark = pages.cut(lambda count: following[:count], min(limit, _fitting(following)), _mark(search))
    with context.store.read() as transaction:
        loaded = machine_outlines.whole(transaction, actor.organization_id, [each.id for each in part])
    # A machine may have been removed meanwhile.
    return observed(context, actor, [loaded[each.id] for each in part if each.id in loaded]), mark


def overview(context: Context, actor: Actor) -> tuple[int, list[str]]:
    """Count the organization's machines and list the groups that they have, sorted."""
    with context.store.read() as transaction:
        count = machine_outlines.count(transaction, actor.organization_id)
        texts = machine_outlines.group_texts(transaction, actor.organization_id)
    return count, sorted({group for text in texts for group in json.loads(text)}, key=_folded)


def matches(search: Search, outlines: Iterable[Outline], known: Statuses, now: float) -> list[Seen]:
    """Select and sort the machines that meet a search: pure.

    Args:
        outlines: all machines, sorted by address.
        known: WireGuard status by public key.
        now: seconds since the epoch.
    """
    seen = (_seen(each, known, now) for each in _meeting(search, outlines))
    found = [each for each in seen if search.state in (None, each.state)]
    return found if search.order is Order.ADDRESS else sorted(found, key=_KEYS[search.order])


def _meeting(search: Search, outlines: Iterable[Outline]) -> Iterator[Outline]:
    groups = lru_cache(maxsize=None)(lambda text: frozenset(json.loads(text)))
    query = _folded(search.query)
    for each in outlines:
        if query and not (query in _folded(each.name) or _in_address(query, each) or search.query in each.public_key):
            continue
        if not search.group or search.group in groups(each.groups):
            yield each


def _in_address(query: str, outline: Outline) -> bool:
    # Most queries can't be a part of an address.
    return query[0] in "0123456789." and query in str(IPv4Address(outline.address))


def _seen(outline: Outline, known: Statuses, now: float) -> Seen:
    status = known.get(outline.public_key)
    return Seen(outline, status, is_online(status, now))


_STATES = {state: place for place, state in enumerate(MachineState)}
_KEYS: dict[Order, Callable[[Seen], Any]] = {
    Order.NAME: lambda each: _folded(each.outline.name),
    Order.STATE: lambda each: _STATES[each.state],
    Order.HANDSHAKE: lambda each: -(each.status.last_handshake if each.status else 0),
    Order.RECEIVED: lambda each: -(each.status.received_bytes if each.status else 0),
    Order.SENT: lambda each: -(each.status.sent_bytes if each.status else 0),
}


def _folded(text: str) -> str:
    """Text for comparison without regard to case; accents count. Source: Unicode, 3.13, default caseless matching."""
    return text.casefold() if text.isascii() else unicodedata.normalize("NFC", text.casefold())


def _mark(search: Search) -> Callable[[Outline], str]:
    if search.order is Order.ADDRESS:
        return lambda each: str(IPv4Address(each.address))
    return lambda each: each.id


def _start(search: Search, found: Sequence[Seen], after: str | None) -> int:
    """Find the place of the first machine beyond ``after``."""
    if not after:
        return 0
    if search.order is Order.ADDRESS:
        beyond = int(machines.position(after))
        return sum(1 for _ in takewhile(lambda each: each.outline.address <= beyond, found))
    for place, each in enumerate(found, 1):
        if each.outline.id == after:
            return place
    raise Invalid("This is not a position in the list of machines.", field="after")


def _fitting(outlines: Sequence[Outline]) -> int:
    """Number of machines at the start of a list that fit into a page, in bytes; at least one."""
    sizes = (ROW_BYTES + 4 * len(each.name) + len(each.groups) for each in outlines)
    return count_fitting(sizes, pages.MOST_BYTES)


def _choice(kind: type[_Choice], text: str, field: str) -> _Choice:
    try:
        return kind(text)
    except ValueError:
        known = ", ".join(each.value for each in kind)
        raise Invalid(
            "There is no {field} {text!r}; known are: {known}.", field=field, text=text[:40], known=known
        ) from None
