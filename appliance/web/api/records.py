"""Audit trail and usage."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from appliance.model.access import LOOK
from appliance.model.organization import AuditEntry
from appliance.model.usage import CURRENCY, Item, Month
from appliance.service import organizations, usage
from appliance.store.times import rfc3339
from appliance.web.api import paging
from appliance.web.api.routes import ApiCall, Route


class AuditEntryAnswer(msgspec.Struct, frozen=True):
    id: str
    at: str
    actor: str
    action: str
    detail: dict[str, Any]

    @classmethod
    def of(cls, entry: AuditEntry) -> AuditEntryAnswer:
        return cls(entry.id, rfc3339(entry.at), entry.actor, entry.action, entry.detail)


class TrailAnswer(msgspec.Struct, frozen=True):
    entries: int
    bytes: Annotated[int, msgspec.Meta(description="Approximate size of the entries.")]
    oldest: Annotated[str | None, msgspec.Meta(description="Time of the oldest entry.")]
    kept_days: Annotated[int, msgspec.Meta(description="Days after which entries are removed.")]
    kept_bytes: Annotated[int, msgspec.Meta(description="Size beyond which the oldest entries are removed.")]


class AuditAnswer(msgspec.Struct, frozen=True):
    entries: list[AuditEntryAnswer]
    next: str | None
    trail: TrailAnswer


class MonthAnswer(msgspec.Struct, frozen=True):
    month: str
    machine_minutes: int
    billed_minutes: int
    machine_months: Annotated[float, msgspec.Meta(description="Machine minutes as months of one machine, rounded.")]
    amount_paise: Annotated[int, msgspec.Meta(description="Amount due, in hundredths of the currency.")]
    amount: Annotated[float, msgspec.Meta(description="Amount due in the currency, for display.")]
    currency: str

    @classmethod
    def of(cls, month: Month) -> MonthAnswer:
        return cls(
            month.name,
            month.minutes,
            month.billed_minutes,
            float(month.machine_months),
            month.amount,
            month.amount / 100,
            CURRENCY,
        )


class UsageAnswer(msgspec.Struct, frozen=True):
    months: list[MonthAnswer]
    next: str | None


class ItemAnswer(msgspec.Struct, frozen=True):
    machine: str
    name: str
    minutes: int
    billed_minutes: int
    amount_paise: int

    @classmethod
    def of(cls, item: Item) -> ItemAnswer:
        return cls(item.machine, item.name, item.minutes, item.billed_minutes, item.amount)


class MonthUsageAnswer(msgspec.Struct, frozen=True):
    month: MonthAnswer
    machines: list[ItemAnswer]
    next: str | None


def _audit(call: ApiCall) -> AuditAnswer:
    position = "after" if "after" in call.query else "before"
    entries, following = organizations.trail(
        call.context,
        call.actor,
        before=call.query.get(position),
        limit=paging.limit_of(call, usual=100),
        field=position,
    )
    return AuditAnswer([AuditEntryAnswer.of(entry) for entry in entries], following, _trail(call))


def _trail(call: ApiCall) -> TrailAnswer:
    kept, retention = organizations.kept(call.context, call.actor), call.context.retention
    oldest = None if kept.oldest is None else rfc3339(kept.oldest)
    return TrailAnswer(kept.entries, kept.bytes, oldest, retention.days, retention.bytes)


def _usage(call: ApiCall) -> UsageAnswer:
    months = usage.statement(call.context, call.actor)
    return UsageAnswer(*paging.page_of(call, months, lambda month: month.name, MonthAnswer.of))


def _month(call: ApiCall) -> MonthUsageAnswer:
    month, items = usage.month(call.context, call.actor, call.parameters["month"])
    return MonthUsageAnswer(
        MonthAnswer.of(month), *paging.page_of(call, items, lambda item: item.machine, ItemAnswer.of)
    )


ROUTES = (
    Route(
        "GET", "/audit", "The audit trail", _audit, answer=AuditAnswer, query=("after", "before", "limit"), access=LOOK
    ),
    Route("GET", "/usage", "Machine-months", _usage, answer=UsageAnswer, query=paging.QUERY, access=LOOK),
    Route(
        "GET",
        "/usage/{month}",
        "A month, machine by machine",
        _month,
        answer=MonthUsageAnswer,
        query=paging.QUERY,
        access=LOOK,
    ),
)
