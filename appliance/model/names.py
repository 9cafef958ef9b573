"""Checks of the names that people choose. A name is data wherever it is shown, never syntax."""

from __future__ import annotations

import re
import unicodedata

from appliance.model.errors import Invalid

LONGEST_NAME = 255

# A character may be typed as several code points: a letter and its accents. To compose n accents takes n² steps, in
# which no other thread runs.
_MOST_CODE_POINTS = 4
LONGEST_TYPED = _MOST_CODE_POINTS * LONGEST_NAME
"""Most code points of a name as it is typed."""

# Control characters, lone surrogates, line and paragraph separators could start a new line somewhere. Unassigned and
# private-use code points have no known shape. Format characters are invisible: some make a name look like another one
# (bidirectional controls), others make two names look the same.
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
# Persian, the scripts of India and emoji need the joiners (U+200C, U+200D). The number signs of Arabic, Syriac and
# Kaithi are visible, although Unicode counts them among the format characters.
_FORMAT_OF_SCRIPTS = frozenset(
    "\u200c\u200d\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
)
_SPACES = " \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
# Letters and symbols without a shape: the fillers of Hangul and the empty cell of Braille.
_BLANKS = frozenset("\u115f\u1160\u3164\uffa0\u2800")
_VISIBLE_CATEGORIES = frozenset("LNPS")

# Texts that read as an end of a rule, in any case and spacing.
_LIKE_AN_END = re.compile(r"(?is)any(\s+machine)?|(machine|group|resource)\s*:.*")


def is_plain(character: str) -> bool:
    """True unless a character is invisible, may have any shape, or moves what is around it."""
    return unicodedata.category(character) not in _FORBIDDEN_CATEGORIES or character in _FORMAT_OF_SCRIPTS


def check_name(text: str, *, field: str = "name", longest: int = LONGEST_NAME) -> str:
    """The name in Unicode's composed form (NFC), without surrounding spaces.

    Raises:
        Invalid: nothing of it is visible, it is too long, or it has a character that can't be shown on one line.
    """
    text = text.strip(_SPACES)
    _check_length(text, field, longest, at_most=_MOST_CODE_POINTS * longest)
    name = unicodedata.normalize("NFC", text)
    for character in name:
        if not is_plain(character):
            raise Invalid(
                "The {field} has a character that a name can't have: U+{code:04X}.", field=field, code=ord(character)
            )
    if not name:
        raise Invalid("The {field} is empty.", field=field)
    if not any(unicodedata.category(each)[0] in _VISIBLE_CATEGORIES and each not in _BLANKS for each in name):
        raise Invalid("The {field} has no visible character.", field=field)
    _check_length(name, field, longest, at_most=longest)
    return name


def _check_length(text: str, field: str, longest: int, *, at_most: int) -> None:
    if len(text) > at_most:
        raise Invalid(
            "The {field} has {count} characters; {longest} is the most.", field=field, count=len(text), longest=longest
        )


def check_group(text: str, *, field: str = "groups") -> str:
    """The group's name, checked by `check_name`.

    Args:
        field: the input that it is in.
    """
    try:
        return check_name(text, field="group")
    except Invalid as error:
        raise Invalid(error.sentence, field=field) from None


def check_new_group(text: str, *, field: str = "groups") -> None:
    """Refuse a name for a new group that reads like an end of a rule, such as ``any`` or ``machine:x``.

    It is apart from `check_group` because groups of such names may exist from earlier versions.

    Raises:
        Invalid: it reads like an end of a rule.
    """
    if _LIKE_AN_END.fullmatch(unicodedata.normalize("NFKC", text)):
        raise Invalid(
            "A group can't be called {text!r}, because it reads like an end of a rule. Choose another name.",
            field=field,
            text=text,
        )
