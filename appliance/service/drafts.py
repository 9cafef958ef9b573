"""Drafts: what somebody had typed into a form when their session ended, kept until they are signed in again.

The browser keeps a draft, sealed; nothing of it is stored here. Its key is made of a mark that every form of a person
carries, and that this service makes anew of what it stores about them. So a draft opens for the person whose form it
was typed into and for nobody else, nobody can make one for somebody else, and a restart loses none.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from appliance.model.organization import Member
from appliance.store import times
from appliance.vault import Vault, WrongSecret

LIFETIME = timedelta(hours=12)
"""From the form to the log-in."""
LONGEST = 64 * 2**10
"""Bytes of a draft as the browser keeps it, a half of the longest form."""
_CONTEXT = b"draft of a form"


@dataclass(frozen=True)
class Draft:
    """A form that was sent without a session.

    Attributes:
        path: where it was sent.
        fields: what was typed, but for what is secret.
    """

    path: str
    fields: Mapping[str, str] = field(repr=False)


def mark_of(member: Member) -> str:
    """The person's mark: only pages for them have it, and with another password it is another one."""
    return hmac.new(member.password_hash.encode(), b"forms of " + member.id.encode(), "sha256").hexdigest()


def sealed(draft: Draft, mark: str, now: datetime) -> str | None:
    """Seal the draft for whose form has this mark; None where it is too long to be kept.

    Args:
        mark: as the form carried it, which may be anything. For a wrong one nobody can open the draft.
    """
    text = json.dumps([int(times.stored(now)), draft.path, dict(draft.fields)], ensure_ascii=False).encode()
    kept = base64.urlsafe_b64encode(_vault(mark).sealed(text, _CONTEXT)).decode()
    return kept if len(kept) <= LONGEST else None


def opened(kept: str, mark: str, now: datetime) -> Draft | None:
    """Open a draft for whoever has this mark; None where it is somebody else's, too old, or no draft."""
    if not kept or len(kept) > LONGEST:
        return None
    try:
        data = base64.urlsafe_b64decode(kept.encode("ascii"))
        began, path, fields = json.loads(_vault(mark).opened(data, _CONTEXT))
    except (WrongSecret, binascii.Error, UnicodeError, ValueError):
        return None
    age = times.stored(now) - began
    return Draft(path, fields) if age <= LIFETIME.total_seconds() else None


def _vault(mark: str) -> Vault:
    return Vault(hashlib.sha256(b"drafts\0" + mark.encode("utf-8", "replace")).digest())
