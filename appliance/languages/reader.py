"""The reader of the page or letter that this thread writes, and messages in the reader's language."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from appliance.languages.catalogues import Language, loaded


@dataclass(frozen=True)
class Reader:
    """Reader of a page or a letter.

    Attributes:
        page: path with query to come back to after a choice of language; None for a letter, and for the answer to a
            form, which can't be asked for again.
        at: the moment of writing; by default the host's present time.
    """

    language: Language
    page: str | None = None
    at: datetime = field(default_factory=lambda: datetime.now(timezone.utc))


_READER: ContextVar[Reader] = ContextVar("reader")


@contextmanager
def reading(reader: Reader) -> Iterator[Reader]:
    """Write for a reader within the context."""
    token = _READER.set(reader)
    try:
        yield reader
    finally:
        _READER.reset(token)


def reader() -> Reader:
    """Get the present reader; outside `reading`, one who reads English."""
    return _READER.get(None) or Reader(next(iter(loaded().values())))


def gettext(message: str, /, **values: Any) -> str:
    """Translate a message, and fill in the values for the names in braces.

    Returns:
        The English message if the catalogue lacks it.
    """
    return reader().language.message(message).format(**values)


def ngettext(one: str, many: str, n: int, /, **values: Any) -> str:
    """Translate the form of a message that fits a number, which is its value ``n``; otherwise like `gettext`."""
    return reader().language.plural(one, many, n).format(n=n, **values)
