"""Drafts: input of a form whose session had ended, kept until the person has signed in again.

The browser keeps the sealed draft; nothing of it is stored here. Its key derives from a mark in every form of a person,
which this service can compute again from what it stores about them. So a draft opens only for that person, nobody can
make one for somebody else, and a restart loses none.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from appliance.model.organization import Member
from appliance.store import times
from appliance.vault import Vault, WrongSecret

LIFETIME = timedelta(hours=12)
"""Longest time from sending the form to the log-in."""
LONGEST = 64 * 2**10
"""Longest sealed draft in bytes: half of the longest form."""
_CONTEXT = b"draft of a form"
# Made at import, for the reason in CONTRIBUTING.md.
_decoder = msgspec.json.Decoder(tuple[int, str, dict[str, str]])


@dataclass(frozen=True)
class Draft:
    """A form that was sent without a session.

    Attributes:
        path: the form's target.
        fields: typed values by field, without secrets.
    """

    path: str
    fields: Mapping[str, str] = field(repr=False)


def mark_of(member: Member) -> str:
    """Compute a member's mark, which only their own pages contain; it changes with the password."""
    return hmac.new(member.password_hash.encode(), b"forms of " + member.id.encode(), "sha256").hexdigest()


def sealed(draft: Draft, mark: str, now: datetime) -> str | None:
    """Seal a draft; None if it is too long to be kept.

    Args:
        mark: as the form carried it. It is not trusted: nobody can open a draft with a forged one.
    """
    text = msgspec.json.encode((int(times.stored(now)), draft.path, dict(draft.fields)))
    kept = base64.urlsafe_b64encode(_vault(mark).sealed(text, _CONTEXT)).decode()
    return kept if len(kept) <= LONGEST else None


def opened(kept: str, mark: str, now: datetime) -> Draft | None:
    """Open a draft; None if it was sealed for another mark, is too old, or is no draft."""
    if not kept or len(kept) > LONGEST:
        return None
    try:
        data = base64.urlsafe_b64decode(kept.encode("ascii"))
        # Whoever has a mark can seal anything under it.
        began, path, fields = _decoder.decode(_vault(mark).opened(data, _CONTEXT))
    except (WrongSecret, binascii.Error, UnicodeError, msgspec.DecodeError, RecursionError):
        return None
    age = times.stored(now) - began
    return Draft(path, fields) if age <= LIFETIME.total_seconds() else None


def _vault(mark: str) -> Vault:
    return Vault(hashlib.sha256(b"drafts\0" + mark.encode("utf-8", "replace")).digest())
