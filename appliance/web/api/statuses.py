"""Refusals that a call may answer with."""

from __future__ import annotations

from collections.abc import Iterable

from appliance.model import errors
from appliance.model.errors import Refused
from appliance.model.expectations import ExpectationBroken
from appliance.web.api.routes import Route
from appliance.web.refusals import status_of

_TO_EVERY_CALL = (errors.Malformed, errors.TooMany, errors.Unavailable)
_TO_A_SESSION = (errors.Unauthenticated, errors.Forbidden, errors.Suspended)
_TO_A_BODY = (errors.LengthRequired, errors.TooLarge, errors.TooSlow)
# Public ones, too: a page of another site may have asked for them.
_TO_A_CHANGE = (errors.Forbidden, errors.Conflict, errors.NotFound, errors.NoRoom)
_TO_A_KEY = (errors.InProgress, errors.DoneBefore)


def refusals(route: Route) -> dict[int, list[str]]:
    """List the types of problems that a call may answer with, by status and without the prefix."""
    kinds: list[type[Refused]] = [*_TO_EVERY_CALL, *route.refusals]
    if not route.access.is_public:
        kinds += _TO_A_SESSION
    if route.method != "GET":
        kinds += (*_TO_A_BODY, *_TO_A_CHANGE)
    if route.method == "POST":
        kinds += _TO_A_KEY
        if not route.access.is_public:
            kinds.append(errors.KeyReused)
    if route.query or route.body is not None:
        kinds.append(errors.Invalid)
    if route.asks_for_proof:
        kinds.append(errors.WrongProof)
    if "force" in route.query:
        kinds.append(ExpectationBroken)
    if "{" in route.path:
        kinds.append(errors.NotFound)
    if route.takes_condition:
        kinds.append(errors.PreconditionFailed)
    return _by_status(kinds)


def _by_status(kinds: Iterable[type[Refused]]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for kind in sorted(set(kinds), key=lambda kind: kind.code):
        found.setdefault(status_of(kind), []).append(kind.code)
    return dict(sorted(found.items()))
