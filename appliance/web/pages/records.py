"""What happened and what it costs: the audit trail and the statement of usage."""

from __future__ import annotations

import csv
import io

import bottle

from appliance.service import organizations, usage
from appliance.web.pages import words
from appliance.web.pages.routes import Page, Visit

_PAGE_LENGTH = 50


def _audit(visit: Visit) -> bottle.HTTPResponse:
    before = visit.query.number("before")
    entries, following = organizations.trail(visit.workplace, visit.actor, before=before, limit=_PAGE_LENGTH)
    lines = [
        {"at": entry.at, "actor": entry.actor, "action": words.action(entry.action), "facts": words.facts(entry.detail)}
        for entry in entries
    ]
    return visit.page("audit.html", lines=lines, before=before, following=following)


def _usage(visit: Visit) -> bottle.HTTPResponse:
    months = usage.statement(visit.workplace, visit.actor)
    return visit.page("usage.html", months=months[::-1], currency=usage.CURRENCY)


def _usage_csv(visit: Visit) -> bottle.HTTPResponse:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["month", "machine_months", "amount", "currency"])
    for month in usage.statement(visit.workplace, visit.actor):
        writer.writerow([month.month, month.machine_months, month.amount, usage.CURRENCY])
    return bottle.HTTPResponse(
        text.getvalue().encode("ascii"),
        headers={
            "Content-Type": "text/csv; charset=utf-8; header=present",
            "Content-Disposition": 'attachment; filename="meshwg-usage.csv"',
        },
    )


PAGES = (
    Page("GET", "/audit", _audit),
    Page("GET", "/usage", _usage),
    Page("GET", "/usage.csv", _usage_csv),
)
