"""Undoing of changes: a button beside the notice of a change sends a form that reverses it.

A cookie carries the form from the change to the page that shows the notice. It is sent like any other form, with its
tokens, and refused if what it would overwrite was changed since. What is too long for a cookie is not offered.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

COOKIE = "__Host-meshwg-undo"
MOST_CHARACTERS = 3000
"""Longest value of the cookie; browsers take 4096 with its name and attributes."""

_PLACES = re.compile(r"/policy/history/[0-9]+|/machines/[a-z0-9]+/(enable|undo)|/settings/(undo|people)", re.ASCII)
_AGAIN = "/settings/people"


@dataclass(frozen=True)
class Undo:
    """A form that reverses a change.

    Attributes:
        action: path that it is sent to.
        fields: its input, with what the change left behind, so that a later change is not overwritten.
    """

    action: str
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_repetition(self) -> bool:
        """True if it can't bring back what was, and makes a new one instead: an invitation."""
        return self.action == _AGAIN


def policy(before: int, after: int) -> Undo | None:
    """Undo a save of the policy that led from one version to another; None if it changed nothing."""
    return Undo(f"/policy/history/{before}", {"version": str(after)}) if after != before else None


def packed(undo: Undo, notice: str) -> str | None:
    """Encode for a cookie, together with the key of the notice that it stands beside; None if it is too long."""
    data = msgspec.json.encode((notice, undo.action, dict(undo.fields)))
    text = base64.urlsafe_b64encode(data).decode()
    return text if len(text) <= MOST_CHARACTERS else None


def unpacked(text: str, notice: str) -> Undo | None:
    """Decode a cookie; None if there is none, it is of another notice, or its form is none that undoes anything."""
    if not text or len(text) > MOST_CHARACTERS:
        return None
    try:
        data = base64.urlsafe_b64decode(text.encode())
        of, action, fields = msgspec.json.decode(data, type=tuple[str, str, dict[str, str]])
    except (binascii.Error, UnicodeError, msgspec.DecodeError):
        return None
    return Undo(action, fields) if of == notice and _PLACES.fullmatch(action) else None
