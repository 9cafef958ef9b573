"""One-time codes by the clock: their secrets are made, sealed and asked here.

A secret lies sealed under its organization's data key and goes with it; its owner's id is associated data, so it can't
be passed off as somebody else's.

Source: RFC 6238 with SHA-1, steps of 30 seconds and six digits, which is what every authenticator program does.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field

import pyotp

from appliance.vault.vault import Vault

STEP_S = 30
_SECRET = re.compile("[A-Z2-7]{32}")
_DRIFT = 1
"""Steps by which the clock of somebody's phone may be off, in either direction."""


@dataclass(frozen=True)
class CodeSecret:
    """A secret that was just made.

    Attributes:
        secret: in base32, as an authenticator takes it; shown once.
        sealed: what the store keeps.
    """

    secret: str = field(repr=False)
    sealed: bytes


def make(vault: Vault, organization: str, sealed_data_key: bytes, member: str) -> CodeSecret:
    """A fresh secret of 160 bits for a member.

    Raises:
        WrongSecret: the data key is not this vault's or not this organization's.
    """
    secret = pyotp.random_base32()
    data_key = vault.data_key(organization, sealed_data_key)
    return CodeSecret(secret, Vault(data_key).sealed(secret.encode(), _context(member)))


def matching_step(
    vault: Vault, organization: str, sealed_data_key: bytes, member: str, sealed: bytes, code: str, at: float
) -> int | None:
    """The number of the step that this code is of, among those about the time ``at`` (seconds since the epoch).

    Who takes a code has to remember its step, so that the code is not taken again.

    Raises:
        WrongSecret: damaged, or sealed for somebody else.
    """
    data_key = vault.data_key(organization, sealed_data_key)
    totp = pyotp.TOTP(Vault(data_key).opened(sealed, _context(member)).decode(), interval=STEP_S)
    now = int(at // STEP_S)
    found = None
    for step in range(now - _DRIFT, now + _DRIFT + 1):
        if hmac.compare_digest(totp.generate_otp(step).encode(), code.encode()):
            found = step
    return found


def of_now(secret: str, at: float) -> str:
    """The code that an authenticator with this secret shows at the time ``at`` (seconds since the epoch).

    Raises:
        ValueError: no secret of ours looks so.
    """
    if not _SECRET.fullmatch(secret):
        raise ValueError("not a secret of 160 bits in base32")
    return pyotp.TOTP(secret, interval=STEP_S).generate_otp(int(at // STEP_S))


def uri(secret: str, account: str, issuer: str) -> str:
    """What a QR code for authenticators says (``otpauth://``)."""
    return pyotp.TOTP(secret, interval=STEP_S).provisioning_uri(name=account, issuer_name=issuer)


def _context(member: str) -> bytes:
    return b"code of member " + member.encode()
