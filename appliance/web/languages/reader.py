"""The reader of the page that this thread renders, and messages in the reader's language."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum
from string import Formatter
from typing import Any

from appliance.model.sentences import Sentence
from appliance.web.languages.catalogues import Language, loaded
from appliance.web.languages.selection import COOKIE, select
from appliance.web.request import Request


@dataclass(frozen=True)
class Reader:
    """Reader of a page.

    Attributes:
        page: path with query to come back to after a choice of language; None for the answer to a form, which can't
            be asked for again.
    """

    language: Language
    page: str | None = None


_READER: ContextVar[Reader] = ContextVar("reader")


@contextmanager
def serving(request: Request) -> Iterator[Reader]:
    """Serve the sender of a request within the context, in their language."""
    languages = loaded()
    tag = select(languages, request.cookies.get(COOKIE, ""), request.header("Accept-Language"))
    query = f"?{request.query_string}" if request.query_string else ""
    reader = Reader(languages[tag], request.path + query if request.is_safe else None)
    token = _READER.set(reader)
    try:
        yield reader
    finally:
        _READER.reset(token)


def reader() -> Reader:
    """Get the present reader; outside `serving`, one who reads English."""
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


def say(sentence: Sentence) -> str:
    """Translate a sentence, and fill in its values; those that are terms of ours are translated too (`terms`)."""
    language = reader().language
    if sentence.many:
        message = language.plural(sentence.message, sentence.many, int(str(sentence.values["n"])))
    else:
        message = language.message(sentence.message)
    if not sentence.values:
        return message
    return Formatter().vformat(message, (), {name: _said(name, value) for name, value in sentence.values.items()})


def translated(value: Any) -> Any:
    """Translate a value that is a `Sentence`; any other stays as it is."""
    return say(value) if isinstance(value, Sentence) else value


def _said(name: str, value: object) -> object:
    if isinstance(value, Sentence):
        return say(value)
    if isinstance(value, Enum):
        return reader().language.message(str(value.value))
    return reader().language.message(str(value)) if name == "field" else value
