"""Refusals as exception types with the facts of the case; pages, API and commands turn them into texts."""

from __future__ import annotations

from appliance.model.sentences import Sentence


class Refused(Exception):
    """Refusal of a request: ``Conflict("There is a machine {name} already.", field="name", name=name)``.

    Args:
        message: one sentence with the facts of this case, or its message in English with names of values in braces.
        values: for these names; ``field`` is one of them.

    Attributes:
        code: stable machine-readable word, the tail of the problem document's ``type``.
        sentence: what is wrong.
        field: the part of the input that is at fault, if there is one.
        retry_after: seconds until another try makes sense, if known.
    """

    code = "refused"

    def __init__(
        self, message: str | Sentence, *, field: str | None = None, retry_after: int | None = None, **values: object
    ) -> None:
        if isinstance(message, str):
            message = Sentence(message, values=values if field is None else {"field": field, **values})
        super().__init__(str(message))
        self.sentence = message
        self.field = field
        self.retry_after = retry_after

    @property
    def detail(self) -> str:
        """The sentence in English."""
        return str(self.sentence)


class Invalid(Refused):
    """The input breaks a rule that does not depend on stored data."""

    code = "invalid"


class Malformed(Refused):
    """The body, the query or a header is not of its form, or not one that the call takes."""

    code = "malformed"


class Unauthenticated(Refused):
    """The caller is not signed in, or the credentials are wrong."""

    code = "unauthenticated"


class CodeNeeded(Refused):
    """The password is right, but the account also needs a code of its second factor."""

    code = "code-needed"


class WrongProof(Refused):
    """A signed-in member gave a wrong password or code for a fresh proof."""

    code = "wrong-proof"


class Forbidden(Refused):
    """The caller is signed in, but lacks the right to do this."""

    code = "forbidden"


class Unverified(Refused):
    """The account's e-mail address has to be verified first."""

    code = "unverified"


class Suspended(Refused):
    """The operator has suspended the organization, so its members may do nothing."""

    code = "suspended"


class NotOpen(Refused):
    """The sign-up is restricted, and the caller has no permit."""

    code = "sign-up-not-open"


class NotFound(Refused):
    """The organization has no such object."""

    code = "not-found"


class Conflict(Refused):
    """The request collides with the present state, for example with a taken name."""

    code = "conflict"


class PreconditionFailed(Refused):
    """The state has changed since the caller read it."""

    code = "precondition-failed"


class KeyReused(Refused):
    """The idempotency key belongs to another request."""

    code = "key-reused"


class InProgress(Refused):
    """An equal request came before and is not finished."""

    code = "in-progress"


class DoneBefore(Refused):
    """The request was done before, and its answer can't be repeated: it had a secret, or was lost."""

    code = "done-before"


class PlanLimit(Refused):
    """The organization's plan does not cover the request."""

    code = "plan-limit"


class TooLarge(Refused):
    """The body is too long."""

    code = "too-large"


class LengthRequired(Refused):
    """The request has no Content-Length, so a body that is too long can't be refused in time."""

    code = "length-required"


class TooSlow(Refused):
    """The body did not arrive in time."""

    code = "too-slow"


class Busy(Refused):
    """The service is overloaded at the moment."""

    code = "busy"


class TooMany(Refused):
    """A rate limit is exceeded; ``retry_after`` says for how long."""

    code = "too-many-requests"


class NotPossible(Refused):
    """The operator's settings don't allow it: there is no mail relay, or no name for passkeys."""

    code = "not-possible"


class NotNow(Refused):
    """The hub can't be reached to seal or check a secret; nothing was changed."""

    code = "not-now"


class NotEnforced(Refused):
    """The data plane could not enforce the change; nothing was changed."""

    code = "not-enforced"


class Unavailable(Refused):
    """The store can't be used for now; nothing was changed, unless the text says that the outcome is unknown.

    The database's error is the cause (``__cause__``).
    """

    code = "unavailable"


class NoRoom(Unavailable):
    """The store's disk is nearly full, and what is left of it is kept for what removes things or takes access away."""

    code = "no-room"
