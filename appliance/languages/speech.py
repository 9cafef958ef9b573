"""Sentences in the reader's language."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from string import Formatter
from typing import Any

from appliance.languages import formats
from appliance.languages.reader import reader
from appliance.model.sentences import Sentence


def say(sentence: Sentence) -> str:
    """Translate a sentence, and fill in its values.

    Values that are terms of ours are translated too (`terms`), and times are written as the language does, unless the
    message has a format for them.
    """
    language = reader().language
    if sentence.many:
        message = language.plural(sentence.message, sentence.many, int(str(sentence.values["n"])))
    else:
        message = language.message(sentence.message)
    if not sentence.values:
        return message
    return _FORMATTER.vformat(message, (), {name: _said(name, value) for name, value in sentence.values.items()})


def translated(value: Any) -> Any:
    """Translate a value that is a `Sentence`; any other stays as it is."""
    return say(value) if isinstance(value, Sentence) else value


class _Formatter(Formatter):
    def format_field(self, value: Any, format_spec: str) -> Any:
        if isinstance(value, datetime) and not format_spec:
            return formats.moment(value)
        return super().format_field(value, format_spec)


_FORMATTER = _Formatter()


def _said(name: str, value: object) -> object:
    if isinstance(value, Sentence):
        return say(value)
    if isinstance(value, Enum):
        return reader().language.message(str(value.value))
    return reader().language.message(str(value)) if name == "field" else value
