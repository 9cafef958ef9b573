"""HTTP status and title of each refusal. Source: RFC 9110, 15."""

from __future__ import annotations

from collections.abc import Mapping

from appliance.model import errors
from appliance.model.errors import Refused
from appliance.model.expectations import ExpectationBroken

_TABLE: Mapping[type[Refused], tuple[int, str]] = {
    errors.Invalid: (422, "The input is not valid"),
    errors.Malformed: (400, "The body can't be read"),
    errors.Unauthenticated: (401, "Sign in first"),
    errors.CodeNeeded: (401, "A code is needed too"),
    errors.WrongProof: (403, "The password or the code is wrong"),
    errors.Forbidden: (403, "Not allowed"),
    errors.Unverified: (403, "The e-mail address is not verified"),
    errors.Suspended: (403, "The organization is suspended"),
    errors.NotOpen: (403, "Sign-up is not open"),
    errors.NotFound: (404, "Not found"),
    errors.Conflict: (409, "It conflicts with the present state"),
    ExpectationBroken: (409, "It would break an expectation"),
    errors.PreconditionFailed: (412, "It has changed meanwhile"),
    errors.KeyReused: (422, "The key belongs to another request"),
    errors.InProgress: (409, "The same request is being worked on"),
    errors.DoneBefore: (409, "This was done already"),
    errors.PlanLimit: (402, "The plan does not cover this"),
    errors.TooLarge: (413, "The body is too large"),
    errors.LengthRequired: (411, "The length of the body is missing"),
    errors.TooSlow: (408, "The body took too long"),
    errors.Busy: (503, "Too much at once"),
    errors.TooMany: (429, "Too many requests"),
    errors.NotPossible: (409, "Not possible at this service"),
    errors.NotNow: (503, "Not possible for now"),
    errors.NotEnforced: (503, "The change could not be enforced and was undone"),
    errors.Unavailable: (503, "The service can't do this for now"),
}


def status_of(kind: type[Refused]) -> int:
    """Find the HTTP status of a kind of refusal."""
    return _row(kind)[0]


def title_of(kind: type[Refused]) -> str:
    """Find the title of a kind of refusal."""
    return _row(kind)[1]


def _row(kind: type[Refused]) -> tuple[int, str]:
    """Find the row of a kind of refusal, or of its nearest base class that has one."""
    return next(_TABLE[each] for each in kind.__mro__ if each in _TABLE)
