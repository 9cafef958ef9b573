"""Codes of a second factor, of members and operators: an authenticator's, or one of ten recovery codes.

A code is examined first, which may need the hub, and then taken in the transaction that it permits. So a code permits
one action, and a failed action uses up no code.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

from sqlalchemy import Connection

from appliance.hub.errors import HubError
from appliance.model.errors import CodeNeeded, NotNow, WrongProof
from appliance.model.sentences import sentence
from appliance.service import recovery_codes
from appliance.service.context import Context
from appliance.service.hub_calls import refused_as
from appliance.store.factor_table import FactorTable, SecondFactor
from appliance.vault import CodeSecret, codes

RETRY_AFTER_S = 5
"""Seconds after which a killed hub answers again."""
ISSUER = "MeshWG"
_DIGITS = 6
_WRONG = sentence("This code is wrong, or it was used already.")


@dataclass(frozen=True)
class CodeHolder:
    """An account with a second factor.

    Attributes:
        owner: id of the organization, or `OPERATORS`, under whose data key the secret is sealed.
        id: id of the account.
        factors: where its second factor is stored.
    """

    owner: str
    id: str
    factors: FactorTable


@dataclass(frozen=True)
class ExaminedCode:
    """A code that was examined and is not taken yet.

    Attributes:
        factor: the second factor that it was compared with; None if the account has none.
        step: time step of an authenticator's code.
        recovery_hash: hash of a recovery code.
    """

    factor: SecondFactor | None
    step: int | None = None
    recovery_hash: str | None = None


@dataclass(frozen=True)
class Proposal:
    """A secret for an authenticator, shown once.

    Attributes:
        secret: in base32.
        uri: ``otpauth`` URI with the secret and the account's name, for a QR code.
    """

    secret: str = field(repr=False)
    uri: str = field(repr=False)

    @classmethod
    def of(cls, secret: str, account: str, issuer: str = ISSUER) -> Proposal:
        """Make the proposal of a secret for an account's authenticator."""
        return cls(secret, codes.provisioning_uri(secret, account, issuer))


def new_secret(context: Context, holder: CodeHolder) -> CodeSecret:
    """Create a secret for an account's authenticator.

    Raises:
        NotNow: the hub, which seals the secret, does not answer.
    """
    with refused_as(NotNow("The hub is not there to make a secret. Try again soon.", retry_after=RETRY_AFTER_S)):
        return context.hub.create_code_secret(holder.owner, holder.id)


def examine(context: Context, holder: CodeHolder, code: str | None) -> ExaminedCode:
    """Examine a code without taking it.

    Raises:
        CodeNeeded: the account has a second factor, and ``code`` is empty or None.
        WrongProof: the code is wrong.
        NotNow: the hub does not answer.
    """
    typed = plain(code or "")
    with context.store.read() as transaction:
        factor = holder.factors.find(transaction, holder.id)
        if factor is None or not factor.enabled:
            return ExaminedCode(None)
        if not typed:
            raise _needed()
        if not _is_of_authenticator(typed):
            code_hash = recovery_codes.hash_of(holder.id, typed)
            if holder.factors.has_recovery_code(transaction, holder.id, code_hash):
                return ExaminedCode(factor, recovery_hash=code_hash)
            raise _wrong()
    return ExaminedCode(factor, step=matching_step(context, holder, factor, typed))


def take(transaction: Connection, holder: CodeHolder, code: ExaminedCode) -> None:
    """Take a code, which permits this transaction and nothing after it.

    Raises:
        WrongProof: the code was taken meanwhile.
        CodeNeeded: a second factor was turned on after the code was examined.
    """
    if code.step is not None and code.factor is not None:
        if not holder.factors.use_step(transaction, holder.id, code.factor.sealed_secret, code.step):
            raise _wrong()
    elif code.recovery_hash is not None:
        if not holder.factors.use_recovery_code(transaction, holder.id, code.recovery_hash):
            raise _wrong()
    else:
        factor = holder.factors.find(transaction, holder.id)
        if factor is not None and factor.enabled:
            raise _needed()


def matching_step(context: Context, holder: CodeHolder, factor: SecondFactor, code: str) -> int:
    """Find the time step of an authenticator's code.

    Raises:
        WrongProof: the code is wrong, or a code of this step or a later one was taken.
        NotNow: the hub does not answer.
    """
    with refused_as(NotNow("The hub is not there to check the code. Try again soon.", retry_after=RETRY_AFTER_S)):
        step = context.hub.match_code(holder.owner, holder.id, factor.sealed_secret, code, context.clock().timestamp())
    if step is None or step <= factor.last_step:
        raise _wrong()
    return step


def is_proposed(context: Context, holder: CodeHolder, secret: str) -> bool:
    """Tell whether this is the account's pending secret, to show it once more after a wrong code.

    Args:
        secret: as the page sent it back. Only the hub can open the stored one, so they are compared by a code; while
            the hub does not answer, the secret is taken as it is.
    """
    with context.store.read() as transaction:
        factor = holder.factors.find(transaction, holder.id)
    now = context.clock().timestamp()
    try:
        code = codes.code_at(secret, now)
        if factor is None or factor.enabled:
            return False
        with suppress(HubError):
            return context.hub.match_code(holder.owner, holder.id, factor.sealed_secret, code, now) is not None
    except ValueError:
        return False
    return True


def renew_recovery_codes(transaction: Connection, holder: CodeHolder) -> list[str]:
    """Replace the account's recovery codes; returns the new ones, which are stored as hashes only."""
    made = recovery_codes.new_codes()
    hashes = [recovery_codes.hash_of(holder.id, each) for each in made]
    holder.factors.replace_recovery_codes(transaction, holder.id, hashes)
    return made


def plain(typed: str) -> str:
    """Remove white space from a code as people type it."""
    return "".join(typed.split())


def _is_of_authenticator(typed: str) -> bool:
    return len(typed) == _DIGITS and typed.isascii() and typed.isdigit()


def _wrong() -> WrongProof:
    return WrongProof(_WRONG, field="code")


def _needed() -> CodeNeeded:
    return CodeNeeded("Your account has a second factor: give a code of it too.", field="code")
