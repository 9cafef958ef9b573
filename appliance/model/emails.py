"""E-mail addresses."""

from __future__ import annotations

import re

from appliance.model.errors import Invalid

LONGEST_EMAIL = 254
# RFC 5321 allows far more than people have; what matters is one @, a domain, and nothing that is not one line. Lone
# surrogates, which a command line has for bytes that are not UTF-8, can't be stored.
_NEVER = r"@\s\x00-\x1f\x7f\ud800-\udfff"
_EMAIL = re.compile(rf"[^{_NEVER}]+@[^{_NEVER}]+\.[^{_NEVER}.]+")


def check_email(text: str) -> str:
    """The address as accounts are found by: trimmed, in lower case.

    Raises:
        Invalid: it can't be an e-mail address.
    """
    email = text.strip().lower()
    if len(email) > LONGEST_EMAIL or _EMAIL.fullmatch(email) is None:
        raise Invalid("This is not an e-mail address.", field="email")
    return email
