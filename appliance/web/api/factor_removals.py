"""Removals of second factors and passkeys that the operator has begun, and that an owner can stop."""

from __future__ import annotations

import msgspec

from appliance.model.access import MANAGE
from appliance.service import factor_removals
from appliance.store.factor_removals import FactorRemoval
from appliance.store.times import rfc3339
from appliance.web.api import paging
from appliance.web.api.routes import ApiCall, Route


class FactorRemovalAnswer(msgspec.Struct, frozen=True):
    id: str
    email: str
    begun_at: str
    due_at: str

    @classmethod
    def of(cls, removal: FactorRemoval) -> FactorRemovalAnswer:
        return cls(removal.member_id, removal.email, rfc3339(removal.begun_at), rfc3339(removal.due_at))


class FactorRemovalsAnswer(msgspec.Struct, frozen=True):
    factor_removals: list[FactorRemovalAnswer]
    next: str | None


def _waiting(call: ApiCall) -> FactorRemovalsAnswer:
    found = factor_removals.waiting(call.context, call.actor)
    return FactorRemovalsAnswer(*paging.page_of(call, found, lambda each: each.member_id, FactorRemovalAnswer.of))


def _stop(call: ApiCall) -> None:
    factor_removals.stop(call.context, call.actor, call.parameters["id"])


ROUTES = (
    Route(
        "GET",
        "/factor-removals",
        "Second factors and passkeys of members that the operator has begun to remove, as they are lost",
        _waiting,
        answer=FactorRemovalsAnswer,
        query=paging.QUERY,
        access=MANAGE,
    ),
    Route("DELETE", "/factor-removals/{id}", "Stop such a removal", _stop, status=204, access=MANAGE),
)
