"""Map of an organization: a picture of machines, groups and what flows between them, with the same facts in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile
from typing import TypeVar
from urllib.parse import urlencode

import markupsafe

from appliance.languages import gettext as _
from appliance.languages import say
from appliance.model.access import LOOK
from appliance.model.flows import Flow, active_rules, flows_of
from appliance.model.matrix import Party
from appliance.model.policy import ANYONE, Action, Rule, Selector, SelectorKind
from appliance.service import network_map
from appliance.service import policy as policies
from appliance.service.network_map import Observation
from appliance.service.observed import MachineState
from appliance.web.pages import map_layout, words
from appliance.web.pages.map_layout import Box, DrawnWay, Way
from appliance.web.pages.routes import LIVE, Page, Visit
from appliance.web.pages.view import PagePart
from appliance.web.response import Response

MOST_WAYS = 24
"""Lines of the picture."""

MOST_ROWS = 80
"""Rows of each table."""

MOST_BYTES = 24_000
"""Bytes of the texts in each table: people make names as long as they like."""

_PATH = "/map"
_NAME_COLUMNS = 16
_STATES = tuple(state for state in MachineState if state is not MachineState.DISABLED)
"""States of enabled machines."""

_Row = TypeVar("_Row", bound="PartyRow | RuleRow")


@dataclass(frozen=True)
class PartyRow:
    """A party in the table.

    Attributes:
        key: tells links of the page apart.
        url: page with its machines; empty if there is none.
        states: numbers of its machines by state.
    """

    name: str
    key: str
    url: str
    machines: int
    states: Mapping[MachineState, int]

    @property
    def texts(self) -> Sequence[str]:
        """Texts that people have made."""
        return self.name, self.key, self.url


@dataclass(frozen=True)
class RuleRow:
    """A rule, or the default, in the table; ``id`` is empty for the default."""

    id: str
    denies: bool
    source: str
    destination: str
    service: str
    recent: int
    so_far: str

    @property
    def texts(self) -> Sequence[str]:
        """Texts that people have made; the name of the row's link repeats them."""
        return (self.source, self.destination, self.service) * 2


@dataclass(frozen=True)
class DrawnParty:
    """A party in the picture."""

    box: Box
    name: str
    state: str
    is_online: bool


@dataclass(frozen=True)
class Picture:
    """A drawing with its texts."""

    parties: Sequence[DrawnParty]
    ways: Sequence[DrawnWay]
    ways_left_out: int


@dataclass(frozen=True)
class MapView:
    """A map as the page shows it.

    Attributes:
        since: when the recent packets began to be counted, in words; empty: when each rule was made.
        is_known: False if the hub does not answer.
        machines: number of enabled machines.
        states: numbers of all enabled machines by state.
        party_count, rule_count: of all parties, and of the rules and default that decided about packets.
    """

    since: str
    is_known: bool
    machines: int
    states: Mapping[MachineState, int]
    picture: Picture
    parties: Sequence[PartyRow]
    party_count: int
    rules: Sequence[RuleRow]
    rule_count: int


def _show(visit: Visit) -> Response:
    view = _view(visit)
    tables, picture, both = _parts(visit, view)
    return visit.page(
        "network_map.html", map=view, layout=map_layout, tables=tables.html, picture=picture.html, etag=both.etag
    )


def _poll(visit: Visit) -> Response:
    return visit.polled(_parts(visit, _view(visit))[2])


def _parts(visit: Visit, view: MapView) -> tuple[PagePart, PagePart, PagePart]:
    """Render the tables, the picture, and both as the answer to a poll."""
    tables = visit.part("network_map_tables.html", map=view, layout=map_layout, states=_STATES)
    picture = visit.part("network_map_picture.html", map=view, layout=map_layout)
    return tables, picture, visit.part("network_map_part.html", tables=tables.html, picture=picture.html)


def _view(visit: Visit) -> MapView:
    seen = network_map.look(visit.context, visit.actor)
    recent = seen.recent
    flows = flows_of(seen.policy, recent)
    parties = _busiest(seen.parties, flows)
    active = active_rules(seen.policy, recent)
    lines: list[Rule | None] = [*active[:MOST_ROWS]]
    if recent.get(None):
        lines.append(None)
    lines.sort(key=lambda rule: -recent[None if rule is None else rule.id])
    shown = lines[:MOST_ROWS]
    names = policies.names_of(visit.context, visit.actor, _named(shown, parties[:MOST_ROWS]))
    return MapView(
        words.about(seen.trend.since, visit.context.clock()) if seen.trend is not None else "",
        bool(seen.counts),
        len(seen.states),
        Counter(seen.states.values()),
        _picture(seen, flows, parties[: map_layout.MOST_PARTIES], names),
        _fitting([_party_row(seen, party, names) for party in parties[:MOST_ROWS]]),
        len(parties),
        _fitting([_rule_row(seen, rule, names) for rule in shown]),
        len(active) + bool(recent.get(None)),
    )


def _busiest(parties: Sequence[Party], flows: Sequence[Flow]) -> list[Party]:
    """Sort parties by the packets of their flows."""
    packets: Counter[Selector | None] = Counter()
    for flow in flows:
        for end in {flow.source, flow.destination}:
            packets[end] += flow.packets
    return sorted(parties, key=lambda party: -packets[party.selector])


def _named(rules: Sequence[Rule | None], parties: Sequence[Party]) -> set[str]:
    """List the machines whose names are shown."""
    ends = [party.selector for party in parties if party.selector is not None]
    ends += [end for rule in rules if rule is not None for end in (rule.source, rule.destination)]
    return {end.name for end in ends if end.kind is SelectorKind.MACHINE}


def _picture(seen: Observation, flows: Sequence[Flow], parties: Sequence[Party], names: Mapping[str, str]) -> Picture:
    # In the order of the policy's parties: a party stays at its place while others become busier.
    chosen = {party.selector for party in parties}
    placed = [party for party in seen.parties if party.selector in chosen]
    places: dict[Selector, int | None] = {ANYONE: None}
    places.update({party.selector: place for place, party in enumerate(placed) if party.selector is not None})
    total = sum(flow.packets for flow in flows)
    ways = [
        Way(places[flow.source], places[flow.destination], flow.denied, flow.packets / total, _label(flow))
        for flow in flows
        if flow.source in places and flow.destination in places
    ]
    drawing = map_layout.lay_out(len(placed), ways[:MOST_WAYS])
    return Picture(
        [_drawn(seen, party, box, names) for party, box in zip(placed, drawing.parties, strict=True)],
        drawing.ways,
        len(flows) - len(drawing.ways),
    )


def _label(flow: Flow) -> str:
    number = words.short_count(flow.packets)
    is_any = flow.source == flow.destination == ANYONE
    if flow.denied:
        if flow.is_default:
            return _("default: denied {number}", number=number)
        return _("any to any: denied {number}", number=number) if is_any else _("denied {number}", number=number)
    if flow.is_default:
        return _("default: {number}", number=number)
    return _("any to any: {number}", number=number) if is_any else number


def _drawn(seen: Observation, party: Party, box: Box, names: Mapping[str, str]) -> DrawnParty:
    states = _states(seen, party)
    online = states[MachineState.ONLINE]
    state = _("{count} of {all} online", count=online, all=len(party.ids))
    if party.selector is None:
        name = _("all others") if len(seen.parties) > 1 else _("every machine")
    elif party.group is None:
        name, state = words.selector(party.selector, names), say(seen.states[party.ids[0]].words)
    else:
        name = party.group
    return DrawnParty(box, words.fitted(name, _NAME_COLUMNS), state, online > 0)


def _states(seen: Observation, party: Party) -> Counter[MachineState]:
    return Counter(seen.states[machine] for machine in party.ids)


def _party_row(seen: Observation, party: Party, names: Mapping[str, str]) -> PartyRow:
    url = ""
    if party.group is not None:
        url = f"/machines?{urlencode({'group': party.group})}"
    elif party.selector is not None:
        url = f"/machines/{party.selector.name}"
    name = words.party(party, seen.parties, names)
    return PartyRow(name, str(party.selector or ""), url, len(party.ids), _states(seen, party))


def _rule_row(seen: Observation, rule: Rule | None, names: Mapping[str, str]) -> RuleRow:
    key = None if rule is None else rule.id
    ends = (ANYONE, ANYONE) if rule is None else (rule.source, rule.destination)
    source, destination = (words.selector(end, names) for end in ends)
    return RuleRow(
        key or "",
        (seen.policy.default if rule is None else rule.action) is Action.DENY,
        source,
        destination,
        _("what no rule matches") if rule is None else words.service(rule.protocol, rule.ports),
        seen.recent[key],
        words.decided(seen.counts.get(key)),
    )


def _fitting(rows: Sequence[_Row]) -> Sequence[_Row]:
    """Cut rows whose texts are too long for a page together."""
    sizes = accumulate(sum(len(markupsafe.escape(text).encode()) for text in row.texts) for row in rows)
    return [row for row, _ in takewhile(lambda pair: pair[1] <= MOST_BYTES, zip(rows, sizes, strict=True))]


PAGES = (
    Page("GET", _PATH, _show, access=LOOK),
    Page("GET", f"{_PATH}{LIVE}", _poll, access=LOOK, polled=True),
)
