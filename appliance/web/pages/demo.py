"""Public page of the demonstration: machines, streams, and the rules that visitors may flip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from appliance.model.access import PUBLIC
from appliance.model.demo import STREAMS, DemoStream
from appliance.model.errors import Refused
from appliance.model.policy import Action
from appliance.service.demo_lab import RECENT_S, LabState
from appliance.web.pages import public_forms
from appliance.web.pages.routes import LIVE, Page, Visit, see_other
from appliance.web.pages.view import PagePart, with_retry_after
from appliance.web.response import Response

_PATH = "/demo"


@dataclass(frozen=True)
class LastFlip:
    """Last flip of a rule, as of now.

    Attributes:
        ago_s: whole seconds since then.
        enforced_ms: milliseconds until the kernel enforced it.
        none_since: True if no packet has arrived since it was answered.
    """

    ago_s: int
    enforced_ms: float
    none_since: bool


@dataclass(frozen=True)
class StreamRow:
    """A stream in the table.

    Attributes:
        denied: True if its rule denies it.
        left_s: whole seconds until a denied one is allowed again.
        is_going: True if packets arrive.
        recent: arrivals in the last seconds.
        last_flip: of its rule; None if nobody has flipped it.
    """

    stream: DemoStream
    denied: bool
    left_s: int
    is_going: bool
    recent: int
    last_flip: LastFlip | None


def _show(visit: Visit) -> Response:
    return _page(visit, None)


def _page(visit: Visit, refusal: Refused | None) -> Response:
    state = visit.site.demo.look()
    live = _live(visit, state)
    return public_forms.page(
        visit, "demo.html", refusal=refusal, streams=STREAMS, addresses=state.addresses, live=live.html, etag=live.etag
    )


def _poll(visit: Visit) -> Response:
    return visit.polled(_live(visit, visit.site.demo.look()))


def _live(visit: Visit, state: LabState) -> PagePart:
    return visit.part("demo_streams.html", rows=_rows(visit, state), seconds=RECENT_S)


def _rows(visit: Visit, state: LabState) -> Sequence[StreamRow]:
    actions, now = visit.site.demo.rules(visit.context), visit.site.demo.lab.clock()
    rows = []
    for stream, reading in zip(STREAMS, state.streams, strict=False):
        action = actions.get(stream.rule, Action.DENY)
        flip = visit.site.demo.last_flip(stream.rule, action)
        last = None
        if flip is not None:
            ago_s, none_since = (now - flip.answered_ns) // 10**9, reading.last_ns <= flip.answered_ns
            last = LastFlip(ago_s, 1000 * flip.enforced_s, none_since=none_since)
        denied = action is Action.DENY
        left_s = visit.site.demo.left_s(stream.rule) if denied else 0
        rows.append(StreamRow(stream, denied, left_s, reading.is_going(now), reading.recent, last))
    return rows


def _flip(visit: Visit) -> Response:
    try:
        visit.site.limits.demo_flip(visit.request.address)
        rule, _, action = visit.form.text("flip").partition(" ")
        visit.site.demo.flip(visit.context, rule, action)
    except Refused as refusal:
        if not visit.site.demo.runs:
            raise
        return with_retry_after(_page(visit, refusal), refusal)
    return see_other(_PATH)


PAGES = (
    Page("GET", _PATH, _show, access=PUBLIC),
    Page("GET", f"{_PATH}{LIVE}", _poll, access=PUBLIC, polled=True),
    # It says what the rule shall be, so that a repetition changes nothing.
    Page("POST", _PATH, _flip, access=PUBLIC, once=False),
)
