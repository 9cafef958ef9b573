"""E-mail addresses."""

from __future__ import annotations

import re
from contextlib import suppress

from appliance.model.errors import Invalid
from appliance.model.hosts import check_host
from appliance.model.names import is_plain

LONGEST_EMAIL = 254
# Narrower than RFC 5321: one @, a domain, one line. Lone surrogates, which stand for bytes of a command line that are
# not UTF-8, can't be stored. Like a name, an address has no character that makes it look like another one.
_NEVER = r"@\s\x00-\x1f\x7f\ud800-\udfff"
_EMAIL = re.compile(rf"[^{_NEVER}]+@[^{_NEVER}]+\.[^{_NEVER}.]+")


def canonical(text: str) -> str:
    """The address in the form that accounts are looked up and counted by: trimmed, in lower case."""
    return text.strip().lower()


def mailbox(text: str) -> str:
    """The address that stands for all spellings of one mailbox, to count letters by.

    A tag after a plus (RFC 5233) is left out, and the host is in ASCII: IDNA reads many characters as the same letter.
    """
    local, at, host = canonical(text).rpartition("@")
    with suppress(ValueError):
        host = check_host(host)
    return f"{local.partition('+')[0]}{at}{host}"


def check_email(text: str) -> str:
    """The address in its canonical form.

    Raises:
        Invalid: it is not an e-mail address.
    """
    email = canonical(text)
    if len(email) > LONGEST_EMAIL or _EMAIL.fullmatch(email) is None or not all(map(is_plain, email)):
        raise Invalid("This is not an e-mail address.", field="email")
    return email
