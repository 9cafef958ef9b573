"""A language for tests, in which every translated message stands in brackets, and the texts that stand in none."""

from __future__ import annotations

import gettext
import re
from html.parser import HTMLParser

ATTRIBUTES = ("alt", "aria-label", "content", "data-label", "label", "placeholder", "title")
AS_IT_IS = {"code", "pre", "script", "style", "time"}
"""Elements whose text is the same in every language, and of times, whose names of months are those of Babel."""

_SETTINGS = ("viewport", "color-scheme", "htmx-config")
"""Names of <meta> elements that people don't see."""

_WORD = re.compile(r"[^\W\d_]{2}")
_BRACKETS = re.compile("([⟦⟧])")


class Pseudo(gettext.NullTranslations):
    """Translations into English in brackets."""

    def gettext(self, message: str) -> str:
        """Puts a message in brackets."""
        return f"⟦{message}⟧"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        """Puts the form for a number in brackets."""
        return f"⟦{msgid1 if n == 1 else msgid2}⟧"


class _Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._depth = 0
        self._open: list[bool] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        is_for_people = tag not in AS_IT_IS and given.get("name") not in _SETTINGS
        for name, value in attrs if is_for_people else ():
            if value and name in ATTRIBUTES:
                self.found += _outside(value, 0)[0]
        if tag not in _VOID:
            self._open.append(tag in AS_IT_IS or given.get("translate") == "no" or ("lang" in given and tag != "html"))

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID and self._open:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        outside, self._depth = _outside(data, self._depth)
        if not any(self._open):
            self.found += outside


_VOID = {"br", "hr", "img", "input", "link", "meta", "rect", "path", "circle"}


def _outside(text: str, depth: int) -> tuple[list[str], int]:
    found = []
    for part in _BRACKETS.split(text):
        if part == "⟦":
            depth += 1
        elif part == "⟧":
            depth -= 1
        elif depth == 0 and _WORD.search(part):
            found.append(" ".join(part.split()))
    return found, depth


def untranslated(html: str) -> list[str]:
    """Lists the texts of a page that come from no catalogue, data among them."""
    texts = _Texts()
    texts.feed(html)
    texts.close()
    return texts.found
