"""Time-based one-time codes (TOTP), and their sealed secrets.

A secret is sealed under the data key of its owner, an organization or all operators together, with the account's id as
associated data, so that it can't be used for another account.

Source: RFC 6238 with SHA-1, steps of 30 seconds and six digits, as in all authenticator programs.
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
"""Steps that a phone's clock may be wrong, in either direction."""


@dataclass(frozen=True)
class CodeSecret:
    """A new secret of one-time codes.

    Attributes:
        secret: in base32, for the authenticator; shown once.
        sealed: the secret as it is stored.
    """

    secret: str = field(repr=False)
    sealed: bytes


def make(vault: Vault, organization: str, sealed_data_key: bytes, member: str) -> CodeSecret:
    """Make a secret of 160 bits for a member.

    Raises:
        WrongSecret: the data key was sealed by another vault or for another organization.
    """
    secret = pyotp.random_base32()
    data_key = vault.data_key(organization, sealed_data_key)
    return CodeSecret(secret, Vault(data_key).sealed(secret.encode(), _context(member)))


def matching_step(
    vault: Vault, organization: str, sealed_data_key: bytes, member: str, sealed: bytes, code: str, at: float
) -> int | None:
    """Number of the time step that a code belongs to; None if it matches no step near the given time.

    The caller has to store the step and refuse it from then on, so that a code works only once.

    Args:
        at: seconds since the epoch.

    Raises:
        WrongSecret: the secret is damaged, or was sealed for another member or organization.
    """
    data_key = vault.data_key(organization, sealed_data_key)
    totp = pyotp.TOTP(Vault(data_key).opened(sealed, _context(member)).decode(), interval=STEP_S)
    now = int(at // STEP_S)
    match = None
    for step in range(now - _DRIFT, now + _DRIFT + 1):
        if hmac.compare_digest(totp.generate_otp(step).encode(), code.encode()):
            match = step
    return match


def code_at(secret: str, at: float) -> str:
    """The code that an authenticator with this secret shows at a time.

    Args:
        at: seconds since the epoch.

    Raises:
        ValueError: the secret is not 160 bits in base32.
    """
    if not _SECRET.fullmatch(secret):
        raise ValueError("not a secret of 160 bits in base32")
    return pyotp.TOTP(secret, interval=STEP_S).generate_otp(int(at // STEP_S))


def provisioning_uri(secret: str, account: str, issuer: str) -> str:
    """URI for an authenticator's QR code (``otpauth://``)."""
    return pyotp.TOTP(secret, interval=STEP_S).provisioning_uri(name=account, issuer_name=issuer)


def _context(member: str) -> bytes:
    return b"code of member " + member.encode()
