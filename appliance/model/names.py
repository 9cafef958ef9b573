"""Names that people choose: data, wherever they are shown, and never syntax."""

from __future__ import annotations

import hashlib
import re
import unicodedata

from appliance.model.errors import Invalid

LONGEST_NAME = 200
LONGEST_GROUP = 63

# Linux: IFNAMSIZ is 16 with the closing NUL; wg-quick(8) takes [a-zA-Z0-9_=+.-]{1,15}.
LONGEST_INTERFACE = 15

# Control characters, lone surrogates, line and paragraph separators could start a new line somewhere; unassigned code
# points can't be judged. Bidirectional controls make a name look like another one.
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cs", "Cn", "Zl", "Zp"})
_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def check_name(text: str, *, field: str = "name", longest: int = LONGEST_NAME) -> str:
    """The name in Unicode's composed form, without surrounding white space.

    Raises:
        Invalid: it is empty, too long, or has a character that can't be shown on one line.
    """
    name = unicodedata.normalize("NFC", text).strip()
    for character in name:
        if unicodedata.category(character) in _FORBIDDEN_CATEGORIES or character in _BIDI_CONTROLS:
            raise Invalid(f"The {field} has a character that a name can't have: U+{ord(character):04X}.", field=field)
    if not name:
        raise Invalid(f"The {field} is empty.", field=field)
    if len(name) > longest:
        raise Invalid(f"The {field} has {len(name)} characters; {longest} is the most.", field=field)
    return name


def check_group(text: str) -> str:
    """A group's name, checked like any other name."""
    return check_name(text, field="group", longest=LONGEST_GROUP)


def interface_name(machine_name: str) -> str:
    """A valid wg-quick interface name that resembles the machine's name.

    Letters of other scripts have no counterpart in the 67 characters that wg-quick takes; a short digest stands in
    when nothing readable is left, so that two such machines don't get the same file.
    """
    ascii_name = unicodedata.normalize("NFKD", machine_name).encode("ascii", "ignore").decode()
    readable = re.sub(r"[^a-zA-Z0-9_=+.-]+", "-", ascii_name).strip("-.")[:LONGEST_INTERFACE].strip("-.")
    if re.search(r"[a-zA-Z0-9]", readable):
        return readable
    return "wg-" + hashlib.sha256(machine_name.encode()).hexdigest()[:8]
