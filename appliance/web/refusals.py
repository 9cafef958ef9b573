"""HTTP status and title of each refusal. Source: RFC 9110, 15."""

from __future__ import annotations

from collections.abc import Mapping

from appliance.model import errors
from appliance.model.errors import Refused
from appliance.model.expectations import ExpectationBroken
from appliance.model.sentences import Sentence, sentence

_TABLE: Mapping[type[Refused], tuple[int, Sentence]] = {
    errors.Invalid: (422, sentence("The input is not valid")),
    errors.Malformed: (400, sentence("The request can't be understood")),
    errors.Unauthenticated: (401, sentence("Sign in first")),
    errors.CodeNeeded: (401, sentence("A code is needed too")),
    errors.WrongProof: (403, sentence("The password or the code is wrong")),
    errors.Forbidden: (403, sentence("Not allowed")),
    errors.Unverified: (403, sentence("The e-mail address is not verified")),
    errors.Suspended: (403, sentence("The organization is suspended")),
    errors.NotOpen: (403, sentence("Sign-up is not open")),
    errors.NotFound: (404, sentence("Not found")),
    errors.Conflict: (409, sentence("It conflicts with the present state")),
    ExpectationBroken: (409, sentence("It would break an expectation")),
    errors.PreconditionFailed: (412, sentence("It has changed meanwhile")),
    errors.KeyReused: (422, sentence("The key belongs to another request")),
    errors.InProgress: (409, sentence("The same request is being worked on")),
    errors.DoneBefore: (409, sentence("This was done already")),
    errors.PlanLimit: (402, sentence("The plan does not cover this")),
    errors.TooLarge: (413, sentence("The body is too large")),
    errors.LengthRequired: (411, sentence("The length of the body is missing")),
    errors.TooSlow: (408, sentence("The body took too long")),
    errors.Busy: (503, sentence("Too much at once")),
    errors.TooMany: (429, sentence("Too many requests")),
    errors.NotPossible: (409, sentence("Not possible at this service")),
    errors.NotNow: (503, sentence("Not possible for now")),
    errors.NotEnforced: (503, sentence("The change could not be enforced and was undone")),
    errors.NoRoom: (503, sentence("There is no room for this for now")),
    errors.Unavailable: (503, sentence("The service can't do this for now")),
}


def status_of(kind: type[Refused]) -> int:
    """Find the HTTP status of a kind of refusal."""
    return _row(kind)[0]


def title_of(kind: type[Refused]) -> Sentence:
    """Find the title of a kind of refusal."""
    return _row(kind)[1]


def _row(kind: type[Refused]) -> tuple[int, Sentence]:
    """Find the row of a kind of refusal, or of its nearest base class that has one."""
    return next(_TABLE[each] for each in kind.__mro__ if each in _TABLE)
