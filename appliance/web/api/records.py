"""The audit trail and the usage."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from appliance.model.access import LOOK
from appliance.model.errors import Invalid
from appliance.model.organization import AuditEntry
from appliance.model.usage import CURRENCY, Item, Month
from appliance.service import organizations, usage
from appliance.web.api.routes import Asked, Call
from appliance.web.api.schemas import moment

_LONGEST_PAGE = 1000


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
    machine_minutes: int
    billed_minutes: int
    machine_months: Annotated[float, msgspec.Meta(description="The minutes in whole months of one machine, rounded.")]
    amount_paise: Annotated[int, msgspec.Meta(description="What is owed, in hundredths of the currency.")]
    amount: Annotated[float, msgspec.Meta(description="The same in the currency, for reading.")]
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


def _audit(asked: Asked) -> AuditAnswer:
    limit = asked.number("limit")
    entries, following = organizations.trail(
        asked.site.workplace, asked.actor, before=asked.number("before"), limit=100 if limit is None else limit
    )
    return AuditAnswer([AuditEntryAnswer.of(entry) for entry in entries], following)


def _usage(asked: Asked) -> UsageAnswer:
    months = usage.statement(asked.site.workplace, asked.actor)
    after, limit = asked.query.get("after", ""), asked.number("limit")
    later = [month for month in months if month.name > after]
    page = later if limit is None else later[: max(1, limit)]
    return UsageAnswer([MonthAnswer.of(month) for month in page], page[-1].name if len(later) > len(page) else None)


def _month(asked: Asked) -> MonthUsageAnswer:
    month, items = usage.month(asked.site.workplace, asked.actor, asked.parameters["month"])
    after, limit = asked.query.get("after"), asked.number("limit")
    places = {item.machine: place for place, item in enumerate(items)}
    if after is not None and after not in places:
        raise Invalid("This is not where a page of machines can begin.", field="after")
    start = 0 if after is None else places[after] + 1
    end = start + _LONGEST_PAGE if limit is None else start + max(1, min(limit, _LONGEST_PAGE))
    return MonthUsageAnswer(
        MonthAnswer.of(month),
        [ItemAnswer.of(item) for item in items[start:end]],
        items[end - 1].machine if end < len(items) else None,
    )


CALLS = (
    Call("GET", "/audit", "The audit trail", _audit, answer=AuditAnswer, query=("before", "limit"), access=LOOK),
    Call("GET", "/usage", "Machine-months", _usage, answer=UsageAnswer, query=("after", "limit"), access=LOOK),
    Call(
        "GET",
        "/usage/{month}",
        "A month, machine by machine",
        _month,
        answer=MonthUsageAnswer,
        query=("after", "limit"),
        access=LOOK,
    ),
)
