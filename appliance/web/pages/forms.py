"""Reading what a form sent."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qsl

from appliance.model.errors import Forbidden, Invalid, Malformed, TooLarge
from appliance.service import tokens
from appliance.service.repeats import REMEMBERED
from appliance.store import times
from appliance.web import authentication
from appliance.web.request import Request

CSRF_FIELD = "csrf"
ONCE_FIELD = "once"
LIFETIME = REMEMBERED
"""A form is taken that long after it was shown: not longer than it is remembered that it was sent."""
FORM_COOKIE = "__Host-meshwg-form"
LARGEST_FORM = 128 * 2**10
"""Bytes: as many groups as a machine can be in, with the longest names, escaped."""
_MOST_FIELDS = 50
_ONCE = re.compile(r"([0-9]{1,12})-[A-Za-z0-9_-]{16}", re.ASCII)
_CONTENT_TYPE = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Form:
    """The fields as they were typed."""

    fields: Mapping[str, str] = field(default_factory=dict, repr=False)

    def text(self, name: str, default: str = "") -> str:
        """A field's text, or the default where the form did not have it."""
        return self.fields.get(name, default)

    def optional(self, name: str) -> str | None:
        """A field's text without surrounding white space; None where nothing was typed."""
        return self.text(name).strip() or None

    def is_checked(self, name: str) -> bool:
        """Whether a box was checked."""
        return name in self.fields

    def without(self, *names: str) -> dict[str, str]:
        """All fields but these."""
        return {name: text for name, text in self.fields.items() if name not in names}

    @property
    def mark(self) -> str:
        """Whose form it says it is (`drafts.mark_of`); nothing where it was made before any session."""
        return self.text(CSRF_FIELD).partition(".")[2]

    def number(self, name: str) -> int | None:
        """A whole number; None where nothing was typed.

        Raises:
            Invalid: something else was typed.
        """
        typed = self.optional(name)
        if typed is None:
            return None
        if not (typed.isascii() and typed.isdigit() and len(typed) <= 18):
            raise Invalid(f"The {name} is not a whole number.", field=name)
        return int(typed)


def read(request: Request) -> Form:
    """Read the form in a request's body.

    Raises:
        TooLarge, Malformed: it is not what a form of ours sends.
    """
    data = request.body
    if len(data) > LARGEST_FORM:
        raise TooLarge(f"The form is longer than {LARGEST_FORM} bytes.")
    if data and request.header("Content-Type").partition(";")[0].strip().lower() != _CONTENT_TYPE:
        raise Malformed("This is not a form that a page of ours sent.")
    return Form(parse(data))


def parse(data: bytes) -> dict[str, str]:
    """The fields of an URL-encoded form; of a field that comes twice, the last.

    Raises:
        Malformed: it is not UTF-8, or has more fields than any form of ours.
    """
    try:
        return dict(
            parse_qsl(data.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
        )
    except ValueError:
        raise Malformed("This form can't be read.") from None


def form_token(request: Request) -> str | None:
    """What the browser holds to show that a form before any session was ours (double submit)."""
    return request.cookies.get(FORM_COOKIE) or None


def new_form_token() -> str:
    """A fresh one."""
    return secrets.token_urlsafe(24)


def check_form_token(request: Request, form: Form) -> None:
    """Raises `Forbidden` unless the form carries what the browser holds."""
    held = form_token(request)
    if held is None or not tokens.same(held, form.text(CSRF_FIELD)):
        raise _not_ours()


def new_once(now: datetime) -> str:
    """Token of one form as it is shown, with the moment at which it is."""
    return f"{int(times.stored(now))}-{secrets.token_urlsafe(12)}"


def check_once(form: Form, now: datetime) -> None:
    """Raises `Forbidden` unless the form carries a token of its own, and was shown not too long ago."""
    found = _ONCE.fullmatch(form.text(ONCE_FIELD))
    if found is None or times.stored(now) - int(found[1]) >= LIFETIME.total_seconds():
        raise _not_ours()


def csrf(session_token: str, mark: str) -> str:
    """CSRF token for a session's forms, with the mark of the person behind it."""
    return f"{tokens.csrf_of(session_token)}.{mark}"


def check_csrf(form: Form, session_token: str, mark: str) -> None:
    """Raises `Forbidden` unless the form was made for this session.

    Args:
        mark: whose session it is (`drafts.mark_of`), to tell an earlier one of theirs.
    """
    if authentication.matches_csrf(session_token, form.text(CSRF_FIELD)):
        return
    if tokens.same(mark, form.mark):
        raise Forbidden(
            "This form was made in an earlier session of yours, so nothing was changed. Look at it, and send it again."
        )
    raise _not_ours()


def _not_ours() -> Forbidden:
    return Forbidden("This form was not made for your session, or it is too old. Open its page again and repeat.")
