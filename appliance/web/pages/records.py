"""Pages of the audit trail and the usage statement."""

from __future__ import annotations

import json

from appliance.model.access import LOOK
from appliance.model.organization import AuditEntry
from appliance.model.usage import CURRENCY, rupees
from appliance.service import organizations, pages, usage
from appliance.store.times import rfc3339
from appliance.web.pages import sheets, trail_words
from appliance.web.pages.routes import Page, Visit
from appliance.web.response import Response

_PAGE_LENGTH = 50
_PIECE = 5
"""Pages of the trail in one file, which has some megabytes at most."""


def _audit(visit: Visit) -> Response:
    before = visit.query.optional("before")
    entries, following = organizations.trail(visit.context, visit.actor, before=before, limit=_PAGE_LENGTH)
    lines = [
        {
            "at": entry.at,
            "actor": entry.actor,
            "action": trail_words.action(entry.action),
            "facts": trail_words.facts(entry.detail),
        }
        for entry in entries
    ]
    return visit.page(
        "audit.html",
        lines=lines,
        before=before,
        following=following,
        kept=organizations.kept(visit.context, visit.actor),
        retention=visit.context.retention,
    )


def _audit_csv(visit: Visit) -> Response:
    """Export `_PIECE` pages of the trail, from the entry that the query names; the header Link leads to the next."""
    before = visit.query.optional("before")
    entries: list[AuditEntry] = []
    for _ in range(_PIECE):
        found, before = organizations.trail(visit.context, visit.actor, before=before, limit=pages.LONGEST)
        entries += found
        if before is None:
            break
    rows = (
        (entry.id, rfc3339(entry.at), entry.actor, entry.action, json.dumps(entry.detail, ensure_ascii=False))
        for entry in entries
    )
    answer = sheets.download("meshwg-audit.csv", ("id", "at", "actor", "action", "detail"), rows)
    if before is not None:
        answer = answer.with_header("Link", f'</audit.csv?before={before}>; rel="next"')
    return answer


def _usage(visit: Visit) -> Response:
    months = usage.statement(visit.context, visit.actor)
    return visit.page("usage.html", months=months[::-1])


def _usage_csv(visit: Visit) -> Response:
    header = ("month", "machine_months", "amount", "currency", "machine_minutes", "billed_minutes", "amount_paise")
    rows = (
        (
            month.name,
            month.machine_months,
            rupees(month.amount),
            CURRENCY,
            month.minutes,
            month.billed_minutes,
            month.amount,
        )
        for month in usage.statement(visit.context, visit.actor)
    )
    return sheets.download("meshwg-usage.csv", header, rows)


def _month(visit: Visit) -> Response:
    month, items = usage.month(visit.context, visit.actor, visit.parameters["month"])
    return visit.page("usage_month.html", month=month, items=items)


def _month_csv(visit: Visit) -> Response:
    month, items = usage.month(visit.context, visit.actor, visit.parameters["month"])
    header = ("month", "machine", "name", "minutes", "billed_minutes", "amount", "currency", "amount_paise")
    rows = (
        (
            month.name,
            item.machine,
            item.name,
            item.minutes,
            item.billed_minutes,
            rupees(item.amount),
            CURRENCY,
            item.amount,
        )
        for item in items
    )
    return sheets.download(f"meshwg-usage-{month.name}.csv", header, rows)


PAGES = (
    Page("GET", "/audit", _audit, access=LOOK),
    Page("GET", "/audit.csv", _audit_csv, access=LOOK),
    Page("GET", "/usage", _usage, access=LOOK),
    Page("GET", "/usage.csv", _usage_csv, access=LOOK),
    Page("GET", "/usage/<month:re:[0-9]{4}-[0-9]{2}>", _month, access=LOOK),
    Page("GET", "/usage/<month:re:[0-9]{4}-[0-9]{2}>.csv", _month_csv, access=LOOK),
)
