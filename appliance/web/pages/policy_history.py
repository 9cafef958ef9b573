"""Pages of the policy's history: earlier versions, and the return to one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from appliance.model.access import CHANGE, LOOK
from appliance.model.errors import NotFound, Refused
from appliance.model.expectations import ExpectationBroken
from appliance.service import policy as policies
from appliance.service import policy_history
from appliance.store.policy_history import PolicyVersion
from appliance.web.pages import forcing, notices, policy_changes, trail_words, undo
from appliance.web.pages.routes import Again, Page, Visit
from appliance.web.response import Response

_PATH = "/policy/history"
_PAGE_LENGTH = 50


@dataclass(frozen=True)
class VersionLine:
    """A version as the page shows it.

    Attributes:
        at, actor: None and empty for the version before the oldest kept save.
    """

    version: int
    at: datetime | None
    actor: str
    facts: list[tuple[str, str | datetime]]


def _show(visit: Visit) -> Response:
    found, following = policy_history.page(
        visit.context, visit.actor, after=visit.query.optional("after"), limit=_PAGE_LENGTH
    )
    present, _ = policies.latest(visit.context, visit.actor)
    return visit.page(
        "policy_history.html",
        versions=[_line(each) for each in found],
        present=present,
        following=following,
        is_first="after" not in visit.query.fields,
    )


def _show_version(visit: Visit, refusal: Refused | None = None) -> Response:
    version = _version(visit)
    present, _ = policies.latest(visit.context, visit.actor)
    changes = None
    if refusal is None:
        try:
            earlier = policy_history.at_version(visit.context, visit.actor, version)
            changes = policy_changes.describe(visit, earlier, None)
        except NotFound:
            raise
        except Refused as error:
            refusal = error
    return visit.page("policy_history_version.html", version=version, present=present, changes=changes, refusal=refusal)


def _restore(visit: Visit) -> Response:
    seen = visit.form.number("version")
    try:
        done = policy_history.restore(
            visit.context,
            visit.actor,
            _version(visit),
            seen=None if seen is None else [seen],
            force=forcing.is_forced(visit),
        )
    except ExpectationBroken as error:
        return forcing.ask(visit, error, back="/policy")
    except NotFound:
        raise
    except Refused as error:
        return _show_version(visit, error)
    reverse = undo.policy(done.result.version - 1, done.result.version)
    return visit.done("/policy", notices.timed("restored", done.enforced_s), reverse)


def _version(visit: Visit) -> int:
    text = visit.parameters["id"]
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise NotFound("There is no such version of the policy.")
    return int(text)


def _line(found: PolicyVersion) -> VersionLine:
    save = found.save
    if save is None:
        return VersionLine(found.version, None, "", [])
    return VersionLine(found.version, save.at, save.actor, trail_words.facts(_particulars(save.changes)))


def _particulars(changes: Mapping[str, object]) -> dict[str, object]:
    """Leave out the default unless the save changed it."""
    return {key: value for key, value in changes.items() if key != "default" or "previous_default" in changes}


PAGES = (
    Page("GET", _PATH, _show, access=LOOK),
    Page("GET", f"{_PATH}/<id>", _show_version, access=LOOK),
    Page("POST", f"{_PATH}/<id>", _restore, access=CHANGE, again=Again(_show_version)),
)
