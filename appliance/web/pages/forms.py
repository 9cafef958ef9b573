"""Forms: parsing, and tokens against forgery and repetition."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import parse_qsl

from appliance.model.errors import Forbidden, Invalid, Malformed, TooLarge
from appliance.service import tokens
from appliance.service.repeats import REMEMBERED
from appliance.store import times
from appliance.web import authentication
from appliance.web.request import Request

CSRF_FIELD = "csrf"
ONCE_FIELD = "once"
CLOCKS_DIFFER = timedelta(minutes=1)
"""Most that the clocks of two hosts, or a clock before and after a correction, may differ."""
LIFETIME = REMEMBERED - CLOCKS_DIFFER
"""Longest time between showing and sending a form: it ends before a sent form is forgotten."""
FORM_COOKIE = "__Host-meshwg-form"
LARGEST_FORM = 128 * 2**10
"""Most bytes of a form: enough for as many groups as a machine can have, with the longest names, escaped."""
_MOST_FIELDS = 50
_ONCE = re.compile(r"([0-9]{1,12})-[A-Za-z0-9_-]{16}", re.ASCII)
_CONTENT_TYPE = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Form:
    """Fields of a form or query, as typed."""

    fields: Mapping[str, str] = field(default_factory=dict, repr=False)

    def text(self, name: str, default: str = "") -> str:
        """Get a field's text, or the default if the form has no such field."""
        return self.fields.get(name, default)

    def optional(self, name: str) -> str | None:
        """Get a field's text without surrounding white space; None if it is empty."""
        return self.text(name).strip() or None

    def is_checked(self, name: str) -> bool:
        """True if a box was checked."""
        return name in self.fields

    def without(self, *names: str) -> dict[str, str]:
        """Get all fields but these."""
        return {name: text for name, text in self.fields.items() if name not in names}

    @property
    def mark(self) -> str:
        """Mark of the form's person, unverified (`drafts.mark_of`); empty for forms without a session."""
        return self.text(CSRF_FIELD).partition(".")[2]

    def number(self, name: str) -> int | None:
        """Get a whole number; None if the field is empty.

        Raises:
            Invalid: it is no whole number.
        """
        typed = self.optional(name)
        if typed is None:
            return None
        if not (typed.isascii() and typed.isdigit() and len(typed) <= 18):
            raise Invalid("The {name} is not a whole number.", field=name, name=name)
        return int(typed)


def read(request: Request) -> Form:
    """Read the form in a request's body.

    Raises:
        TooLarge, Malformed: no form of ours sends such a body.
    """
    data = request.body
    if len(data) > LARGEST_FORM:
        raise TooLarge("The form is longer than {largest} bytes.", largest=LARGEST_FORM)
    if data and request.header("Content-Type").partition(";")[0].strip().lower() != _CONTENT_TYPE:
        raise Malformed("This is not a form that a page of ours sent.")
    return Form(parse(data))


def parse(data: bytes) -> dict[str, str]:
    """Parse an URL-encoded form; the last one of several fields with the same name counts.

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
    """Get the browser's cookie against forged forms without a session (double submit)."""
    return request.cookies.get(FORM_COOKIE) or None


def new_form_token() -> str:
    """Make a random value for the cookie."""
    return secrets.token_urlsafe(24)


def check_form_token(request: Request, form: Form) -> None:
    """Raise `Forbidden` unless the form contains the value of the browser's cookie."""
    held = form_token(request)
    if held is None or not tokens.same(held, form.text(CSRF_FIELD)):
        raise _not_ours()


def new_once(now: datetime) -> str:
    """Make the token of a single form, with the time when it is shown."""
    return f"{int(times.stored(now))}-{secrets.token_urlsafe(12)}"


def check_once(form: Form, now: datetime) -> None:
    """Raise `Forbidden` unless the form has a token of its own, and was shown within `LIFETIME`.

    A form that was shown by a clock that was set back since would outlast the memory of its answer, so it is refused.
    """
    found = _ONCE.fullmatch(form.text(ONCE_FIELD))
    age = times.stored(now) - int(found[1]) if found is not None else None
    if age is None or not -CLOCKS_DIFFER.total_seconds() <= age < LIFETIME.total_seconds():
        raise _not_ours()


def csrf(session_token: str, mark: str) -> str:
    """Make the CSRF token for a session's forms, followed by the person's mark."""
    return f"{tokens.csrf_of(session_token)}.{mark}"


def check_csrf(form: Form, session_token: str, mark: str) -> None:
    """Raise `Forbidden` unless the form was made for this session.

    Args:
        mark: of the session's member (`drafts.mark_of`), to recognize forms of their earlier sessions.
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
