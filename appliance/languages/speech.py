"""Sentences in the reader's language."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from string import Formatter
from typing import Any

from appliance.languages import formats
from appliance.languages.reader import reader
from appliance.model.sentences import Sentence


class SentenceFormatter(Formatter):
    """Formatter of values in sentences: times are written as the language does, unless the message has a format."""

    def format_field(self, value: Any, format_spec: str) -> Any:
        """Format a value."""
        if isinstance(value, datetime) and not format_spec:
            return formats.moment(value)
        return super().format_field(value, format_spec)


_FORMATTER = SentenceFormatter()


def say(sentence: Sentence, formatter: SentenceFormatter = _FORMATTER) -> str:
    """Translate a sentence, and fill in its values; those that are terms of ours are translated too (`terms`).

    Args:
        formatter: fills the values in.
    """
    language = reader().language
    if sentence.many:
        message = language.plural(sentence.message, sentence.many, int(str(sentence.values["n"])))
    else:
        message = language.message(sentence.message)
    if not sentence.values:
        return message
    return formatter.vformat(message, (), {name: _said(name, value) for name, value in sentence.values.items()})


def translated(value: Any) -> Any:
    """Translate a value that is a `Sentence`; any other stays as it is."""
    return say(value) if isinstance(value, Sentence) else value


def _said(name: str, value: object) -> object:
    if isinstance(value, Sentence):
        return say(value)
    if isinstance(value, Enum):
        return reader().language.message(str(value.value))
    return reader().language.message(str(value)) if name == "field" else value
