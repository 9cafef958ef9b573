"""Earlier versions of the policy."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from appliance.model.access import LOOK
from appliance.model.errors import NotFound
from appliance.service import policy_history
from appliance.store.policy_history import PolicyVersion
from appliance.store.times import rfc3339
from appliance.web.api import paging
from appliance.web.api.policy import PolicyAnswer, etag_of, policy_change, versions_seen
from appliance.web.api.reply import Timed
from appliance.web.api.routes import ApiCall, Route
from appliance.web.api.schemas import Body


class RestorePolicy(Body, frozen=True):
    version: Annotated[int, msgspec.Meta(description="A version of the history.")]


class VersionAnswer(msgspec.Struct, frozen=True):
    version: int
    at: Annotated[
        str | None, msgspec.Meta(description="Time of the save; null for the version before the oldest kept save.")
    ]
    actor: Annotated[str | None, msgspec.Meta(description="Who saved it; null like `at`.")]
    changes: Annotated[
        dict[str, Any],
        msgspec.Meta(
            description="As in the audit trail: rules in words (`added`, `removed`), `default`, `previous_default`, "
            "and the number of `rules`."
        ),
    ]

    @classmethod
    def of(cls, found: PolicyVersion) -> VersionAnswer:
        save = found.save
        if save is None:
            return cls(found.version, None, None, {})
        return cls(found.version, rfc3339(save.at), save.actor, dict(save.changes))


class HistoryAnswer(msgspec.Struct, frozen=True):
    versions: list[VersionAnswer]
    next: str | None


def _policy_history(call: ApiCall) -> HistoryAnswer:
    return HistoryAnswer(*paging.page_from(call, policy_history.page, VersionAnswer.of))


def _restore_policy(call: ApiCall) -> Timed:
    body: RestorePolicy = call.body
    done = policy_history.restore(
        call.context, call.actor, body.version, seen=versions_seen(call), force=call.is_forced
    )
    return Timed(PolicyAnswer.of(done.result), done.enforced_s)


ROUTES = (
    Route(
        "GET",
        "/policy/history",
        "Versions that can be restored, newest first",
        _policy_history,
        answer=HistoryAnswer,
        query=paging.QUERY,
        access=LOOK,
        refusals=(NotFound,),
    ),
    policy_change(
        "POST",
        "/policy/restore",
        "Save an earlier version as a new one; rules that are not in the policy now come last",
        _restore_policy,
        RestorePolicy,
        PolicyAnswer,
        etag=etag_of,
        keeps_answer=True,
    ),
)
