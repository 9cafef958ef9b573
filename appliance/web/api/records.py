"""The audit trail and the usage."""

from __future__ import annotations

from typing import Any

import msgspec

from appliance.model.organization import AuditEntry
from appliance.service import organizations, usage
from appliance.service.usage import Month
from appliance.web.api.routes import Asked, Call
from appliance.web.api.schemas import moment


class AuditEntryAnswer(msgspec.Struct, frozen=True):
    id: int
    at: str
    actor: str
    action: str
    detail: dict[str, Any]

    @classmethod
    def of(cls, entry: AuditEntry) -> AuditEntryAnswer:
        return cls(entry.id, moment(entry.at), entry.actor, entry.action, entry.detail)


class AuditAnswer(msgspec.Struct, frozen=True):
    entries: list[AuditEntryAnswer]
    next: int | None


class MonthAnswer(msgspec.Struct, frozen=True):
    month: str
    machine_months: float
    amount: float
    currency: str

    @classmethod
    def of(cls, month: Month, currency: str) -> MonthAnswer:
        return cls(month.month, float(month.machine_months), float(month.amount), currency)


class UsageAnswer(msgspec.Struct, frozen=True):
    months: list[MonthAnswer]
    next: str | None


def _audit(asked: Asked) -> AuditAnswer:
    limit = asked.number("limit")
    entries, following = organizations.trail(
        asked.site.workplace, asked.actor, before=asked.number("before"), limit=100 if limit is None else limit
    )
    return AuditAnswer([AuditEntryAnswer.of(entry) for entry in entries], following)


def _usage(asked: Asked) -> UsageAnswer:
    months = usage.statement(asked.site.workplace, asked.actor)
    after, limit = asked.query.get("after", ""), asked.number("limit")
    later = [month for month in months if month.month > after]
    page = later if limit is None else later[: max(1, limit)]
    return UsageAnswer(
        [MonthAnswer.of(month, usage.CURRENCY) for month in page],
        page[-1].month if len(later) > len(page) else None,
    )


CALLS = (
    Call("GET", "/audit", "The audit trail", _audit, answer=AuditAnswer, query=("before", "limit")),
    Call("GET", "/usage", "Machine-months", _usage, answer=UsageAnswer, query=("after", "limit")),
)
