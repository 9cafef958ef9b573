"""What can be wrong with a wish, as types that carry the facts; words for people are made at the edge."""

from __future__ import annotations


class Refused(Exception):
    """A wish that can't be granted.

    Attributes:
        code: stable machine-readable word, the tail of the problem document's ``type``.
        detail: one sentence with the facts of this case.
        field: the part of the input that is at fault, if there is one.
        retry_after: seconds until another try makes sense, if that is known.
    """

    code = "refused"

    def __init__(self, detail: str, *, field: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field
        self.retry_after = retry_after


class Invalid(Refused):
    """The input breaks a rule that can be stated without looking at anything else."""

    code = "invalid"


class Malformed(Refused):
    """The body is not what the call takes: not JSON, or not of the call's shape."""

    code = "malformed"


class Unauthenticated(Refused):
    """Nobody is signed in, or the credentials are wrong."""

    code = "unauthenticated"


class CodeNeeded(Refused):
    """The password is right, and the account has a second factor: the same again with a code."""

    code = "code-needed"


class WrongProof(Refused):
    """Somebody is signed in, and what they gave to show that it is still them was wrong."""

    code = "wrong-proof"


class Forbidden(Refused):
    """Somebody is signed in, and may not do this."""

    code = "forbidden"


class Unverified(Refused):
    """It takes an account whose e-mail address is verified."""

    code = "unverified"


class Suspended(Refused):
    """The operator suspended the organization; nobody of it may do anything until that is over."""

    code = "suspended"


class NotOpen(Refused):
    """The operator does not have everybody sign up, and the caller has no leave to."""

    code = "sign-up-not-open"


class NotFound(Refused):
    """There is no such thing in this organization."""

    code = "not-found"


class Conflict(Refused):
    """It collides with what is there: a taken name, a stale version."""

    code = "conflict"


class PreconditionFailed(Refused):
    """What the caller has seen is not what is there any more."""

    code = "precondition-failed"


class KeyReused(Refused):
    """A key that stands for one request came with another."""

    code = "key-reused"


class InProgress(Refused):
    """The same request came before, and nobody knows yet what comes of it."""

    code = "in-progress"


class DoneBefore(Refused):
    """Refusal of a request that was done before, whose answer held a secret that is shown once, or got lost."""

    code = "done-before"


class PlanLimit(Refused):
    """The plan of the organization doesn't cover it."""

    code = "plan-limit"


class TooLarge(Refused):
    """The body is longer than any call needs."""

    code = "too-large"


class LengthRequired(Refused):
    """The body comes in chunks of unknown number, so nobody can tell in time that it is too long."""

    code = "length-required"


class TooSlow(Refused):
    """The body was not there in time."""

    code = "too-slow"


class Busy(Refused):
    """There is too much to do at this moment."""

    code = "busy"


class TooMany(Refused):
    """A rate limit holds; ``retry_after`` says for how long."""

    code = "too-many-requests"


class NotPossible(Refused):
    """The operator's settings leave it out: no relay for mail, no name for passkeys."""

    code = "not-possible"


class NotNow(Refused):
    """The hub is not there to seal or check a secret; nothing was changed."""

    code = "not-now"


class NotEnforced(Refused):
    """The data plane could not take the change; nothing was changed."""

    code = "not-enforced"


class Unavailable(Refused):
    """The store can't be used for now; nothing was changed, unless the text says that it was lost at the commit.

    What its database said is the cause (``__cause__``).
    """

    code = "unavailable"
