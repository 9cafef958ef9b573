"""Pages of who may open what to whom: the whole policy in a table, and one cell of it in detail."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias
from urllib.parse import quote_plus, urlencode

from appliance.languages import gettext as _
from appliance.languages import ngettext, say
from appliance.model.access import CHANGE, LOOK
from appliance.model.errors import Conflict, NotFound, NotNow, Refused, TooMany
from appliance.model.matrix import Cell, CellKind, Matrix, Party
from appliance.model.policy import Action, Selector, SelectorKind
from appliance.model.reach import TooMuchWork
from appliance.model.sentences import sentence
from appliance.service import measurements
from appliance.service import policy as policies
from appliance.service.measurements import Measurement, ProbedCell
from appliance.web.pages import measured_packets, words
from appliance.web.pages.routes import Again, Page, Visit
from appliance.web.response import Response

MOST_PARTIES = 20
"""Rows, and columns, of a page."""
MOST_CHARACTERS = 1000
"""Characters of a page's row keys, and of its column keys: the URL of each cell has both."""
MOST_RULES = 50
"""Rules that the page of a cell lists."""
_MOST_NAMED = 3
_FIXED = {
    CellKind.ALLOWED: (sentence("Allowed"), "allowed"),
    CellKind.DENIED: (sentence("Denied"), "denied"),
    CellKind.ITSELF: (sentence("Itself"), "itself"),
    CellKind.SKIPPED: (sentence("Look closer"), "itself"),
}
"""Texts of cells that need no list of services, and classes of their colours."""
# A page has each key in the URLs of a whole row and a whole column.
_quoted = lru_cache(maxsize=512)(quote_plus)
_OTHERS = "others"
_PATH = "/policy/matrix"
_Ends: TypeAlias = tuple[Party | None, Party | None]
"""Source and destination of the connections that a page is about; None for any."""


@dataclass(frozen=True)
class PageRange:
    """Part of the rows or columns that a page shows.

    Attributes:
        first, last: positions, counted from 1.
        count: number of all rows or columns.
        back, on: URLs of the parts before and behind it; empty if there are none.
    """

    first: int
    last: int
    count: int
    back: str
    on: str


@dataclass(frozen=True)
class Heading:
    """Head of a row or column; ``size`` is the number of its machines in words, or empty."""

    name: str
    size: str


@dataclass(frozen=True)
class CellLine:
    """A cell as the page shows it.

    Attributes:
        look: class of its colour.
        url: page that says more; empty if there is no more to say.
        measured: what packets did; None if there were none.
    """

    text: str
    look: str
    url: str
    measured: ProbedCell | None


@dataclass(frozen=True)
class Table:
    """A part of the matrix as the page shows it."""

    columns: list[Heading]
    rows: list[tuple[Heading, list[CellLine]]]
    spans: dict[str, PageRange]
    is_cut: bool


@dataclass(frozen=True)
class RuleLink:
    """A rule that matters for a cell."""

    id: str
    denies: bool
    sentence: str


def _show(visit: Visit, refusal: Refused | None = None, measured: Measurement | None = None) -> Response:
    try:
        version, matrix = policies.matrix(visit.context, visit.actor)
    except TooMuchWork:
        heading = _("Who reaches whom")
        return visit.page("policy_matrix.html", refusal=refusal, is_whole=True, heading=heading, table=None)
    source, destination = ends = _asked(visit, matrix)
    if source is not None and destination is not None:
        return _show_cell(visit, matrix, (source, destination), refusal, measured)
    return visit.page(
        "policy_matrix.html",
        refusal=refusal,
        told=measured_packets.told(visit, measured),
        here=_here(visit),
        version=version,
        is_whole=ends == (None, None),
        heading=_heading(visit, matrix, ends),
        table=_table(
            visit,
            matrix,
            _axes(matrix, ends),
            _cell_url,
            lambda one, names: words.party(one, matrix.parties, names),
            measured,
        ),
    )


def _measure(visit: Visit) -> Response:
    def shown(matrix: Matrix) -> tuple[Sequence[Party], Sequence[Party]]:
        sources, destinations = _axes(matrix, _asked(visit, matrix))
        starts = _starts(visit, [sources, destinations])
        return _part(sources, starts[0]), _part(destinations, starts[1])

    try:
        visit.site.limits.measurement(visit.request.address, visit.actor.organization_id)
        return _show(visit, measured=measurements.measure(visit.context, visit.actor, shown))
    except TooMuchWork:
        return _show(visit)
    except (TooMany, Conflict, NotNow) as refusal:
        return _show(visit, refusal)


def _asked(visit: Visit, matrix: Matrix) -> _Ends:
    """Find the parties whose connections the visitor asks for; None for all of them."""
    source, destination = (
        _party(matrix, key) if (key := visit.query.text(side)) else None for side in ("source", "destination")
    )
    return source, destination


def _axes(matrix: Matrix, ends: _Ends) -> list[Sequence[Party]]:
    """Rows and columns: of a cell, machines that the policy can't tell apart; else, parties."""
    if None not in ends:
        return [matrix.split(each) for each in ends if each is not None]
    return [matrix.parties if each is None else [each] for each in ends]


def _heading(visit: Visit, matrix: Matrix, ends: _Ends) -> str:
    source, destination = ends
    one = source or destination
    if one is None:
        return _("Who reaches whom")
    name = words.party(one, matrix.parties, policies.names_of(visit.context, visit.actor, one.ids[:1]))
    return _("Whom {party} reaches", party=name) if source else _("Who reaches {party}", party=name)


def _here(visit: Visit) -> str:
    fields = visit.query.fields
    return f"{_PATH}?{urlencode(fields)}" if fields else _PATH


def _show_cell(
    visit: Visit, matrix: Matrix, ends: tuple[Party, Party], refusal: Refused | None, measured: Measurement | None
) -> Response:
    rules = matrix.rules_between(*ends)
    shown = rules[:MOST_RULES]
    ids = {end.name for rule in shown for end in (rule.source, rule.destination) if end.kind is SelectorKind.MACHINE}
    ids |= {party.ids[0] for party in ends}
    names = policies.names_of(visit.context, visit.actor, ids)
    return visit.page(
        "policy_matrix_cell.html",
        refusal=refusal,
        told=measured_packets.told(visit, measured),
        here=_here(visit),
        ends=[words.party(party, matrix.parties, names) for party in ends],
        table=_table(visit, matrix, _axes(matrix, ends), _check_url, _list, measured),
        rules=[RuleLink(rule.id, rule.action is Action.DENY, words.rule_sentence(rule, names)) for rule in shown],
        rule_count=len(rules),
    )


def _table(
    visit: Visit,
    matrix: Matrix,
    axes: Sequence[Sequence[Party]],
    url: Callable[[Party, Party], str],
    heading: Callable[[Party, Mapping[str, str]], str],
    measured: Measurement | None,
) -> Table:
    starts = _starts(visit, axes)
    sources, destinations = (_part(axis, start) for axis, start in zip(axes, starts, strict=True))
    ids = {machine for party in (*sources, *destinations) for machine in party.ids[:_MOST_NAMED]}
    names = policies.names_of(visit.context, visit.actor, ids)
    rows, columns = (
        [Heading(heading(party, names), _size(party)) for party in part] for part in (sources, destinations)
    )
    cells = matrix.rows(sources, destinations)
    probed = [[None] * len(columns)] * len(rows) if measured is None else measured.rows
    return Table(
        columns,
        [
            (
                head,
                [
                    _line(cell, url(source, other), found)
                    for cell, other, found in zip(row, destinations, probes, strict=True)
                ],
            )
            for head, source, row, probes in zip(rows, sources, cells, probed, strict=True)
        ],
        {
            side: _span(visit, side, axis, start, len(part))
            for (side, axis), start, part in zip(_by_side(axes), starts, (sources, destinations), strict=True)
        },
        any(cell.kind is CellKind.SKIPPED for row in cells for cell in row),
    )


def _starts(visit: Visit, axes: Sequence[Sequence[Party]]) -> list[int]:
    return [min(visit.query.number(side) or 0, max(len(axis) - 1, 0)) for side, axis in _by_side(axes)]


def _by_side(axes: Sequence[Sequence[Party]]) -> Iterable[tuple[str, Sequence[Party]]]:
    return zip(("rows", "columns"), axes, strict=True)


def _part(axis: Sequence[Party], start: int) -> Sequence[Party]:
    """Cut what a page shows from the rows or columns; at least one."""
    shown = axis[start : start + MOST_PARTIES]
    length = 0
    for at, party in enumerate(shown):
        length += len(urlencode({"": _key(party)}))
        if length > MOST_CHARACTERS and at:
            return shown[:at]
    return shown


def _span(visit: Visit, side: str, axis: Sequence[Party], start: int, length: int) -> PageRange:
    def at(position: int) -> str:
        return f"{_PATH}?{urlencode({**visit.query.fields, side: position})}"

    end = start + length
    back = at(max(start - MOST_PARTIES, 0)) if start else ""
    return PageRange(min(start + 1, len(axis)), end, len(axis), back, at(end) if end < len(axis) else "")


def _party(matrix: Matrix, key: str) -> Party:
    found = matrix.find(None if key == _OTHERS else Selector.parse(key, field="source"))
    if found is None:
        raise NotFound("These machines are disabled or removed, or no rule names them any more.")
    return found


def _key(party: Party) -> str:
    return _OTHERS if party.selector is None else str(party.selector)


def _cell_url(source: Party, destination: Party) -> str:
    return f"{_PATH}?source={_quoted(_key(source))}&destination={_quoted(_key(destination))}"


def _check_url(source: Party, destination: Party) -> str:
    """Make the URL that asks about a connection from a machine of the one party to a machine of the other."""
    one = source.ids[0]
    other = next((each for each in destination.ids[:2] if each != one), one)
    return f"/policy/check?source={_quoted(f'machine:{one}')}&destination={_quoted(f'machine:{other}')}#check"


def _list(party: Party, names: Mapping[str, str]) -> str:
    told = ", ".join(words.machine(each, names) for each in party.ids[:_MOST_NAMED])
    left = len(party.ids) - _MOST_NAMED
    return _("{machines} and {count} more", machines=told, count=left) if left > 0 else told


def _size(party: Party) -> str:
    if len(party.ids) == 1 and party.group is None:
        return ""
    return ngettext("{n} machine", "{n} machines", len(party.ids))


def _line(cell: Cell, url: str, measured: ProbedCell | None) -> CellLine:
    if cell.kind is CellKind.SAME:
        return CellLine(_("Some: {services}", services=words.services(cell.some, cell.rest)), "some", url, measured)
    if cell.kind is CellKind.MIXED:
        what = words.services(cell.some, cell.rest)
        return CellLine(_("Some machines: {services}", services=what), "some", url, measured)
    text, look = _FIXED[cell.kind]
    return CellLine(say(text), look, "" if cell.kind is CellKind.ITSELF else url, measured)


PAGES = (
    Page("GET", _PATH, _show, access=LOOK),
    # It changes nothing, so that it may be sent again and again.
    Page("POST", _PATH, _measure, access=CHANGE, once=False, again=Again(_show)),
)
