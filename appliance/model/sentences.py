"""Sentences for people: English, with their message and values, so that pages can say them in other languages.

``sentence("A machine named {name} exists already.", name=name)`` is that sentence in English (`str`) for calls,
commands and logs. Its message is found in the code and translated in catalogues, which know nothing of the values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


@dataclass(frozen=True)
class Sentence:
    """A sentence with the facts of a case.

    Attributes:
        message: English, with names of values in braces.
        many: the same for any number but one, which is the value ``n``; empty if the sentence has no such forms.
        values: for the names in the message; some may be sentences themselves. Without any, the message is no format.
    """

    message: str
    many: str = ""
    values: Mapping[str, object] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        """Say it in English."""
        message = self.many if self.many and self.values["n"] != 1 else self.message
        if not self.values:
            return message
        return message.format_map({name: _english(value) for name, value in self.values.items()})


def sentence(message: str, /, **values: object) -> Sentence:
    """Make a sentence."""
    return Sentence(message, values=values)


def numbered(one: str, many: str, n: int, /, **values: object) -> Sentence:
    """Make a sentence in the form that fits a number, which is its value ``n``."""
    return Sentence(one, many, {"n": n, **values})


def _english(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, Sentence) else value
