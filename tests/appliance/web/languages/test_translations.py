"""Translations keep what a message is made of: values, elements, code and white space."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import pytest
from babel.messages.catalog import Catalog, Message

from appliance.languages import catalogues
from appliance.web.languages import upkeep

LOCALES = sorted(folder.name for folder in catalogues.FOLDER.iterdir())
_KEPT = {
    "values": re.compile(r"%\(\w+\)s|%%|\{\w+[^{}]*\}"),
    "elements": re.compile(r"</?\w[^<>]*>"),
    "code": re.compile(r"``?.+?``?"),
    "emphasis": re.compile(r"\*"),
    "quotes": re.compile(r'"'),
    "signs": re.compile(r"[%{}]"),
    "space": re.compile(r"^\s|\s$"),
}


def faults(message: Message) -> Iterator[str]:
    """Lists what the translation of a message lacks or has beyond it; nothing for one that is not translated."""
    if not message.id or not upkeep.is_translated(message):
        return
    if message.fuzzy:
        yield "fuzzy"
    sources, texts = (each if isinstance(each, (list, tuple)) else (each,) for each in (message.id, message.string))
    for form, text in enumerate(texts):
        # A language has its own number of forms; the last English one has every value.
        source = sources[min(form, len(sources) - 1)]
        for name, pattern in _KEPT.items():
            if Counter(pattern.findall(str(text))) not in (
                Counter(pattern.findall(str(each))) for each in {source, sources[-1]}
            ):
                yield f"{name} of {text!r}"


@pytest.mark.parametrize(
    ("source", "text", "has_fault"),
    [
        ("Add {name}.", "{name} जोड़ें।", False),
        ("Add {name}.", "{nam} जोड़ें।", True),
        ("Add %(name)s.", "जोड़ें।", True),
        ("Add <a href='/'>it</a>.", "<a href='/'>इसे</a> जोड़ें।", False),
        ("Add <a href='/'>it</a>.", "<a href='/x'>इसे</a> जोड़ें।", True),
        ("Add <b>it</b>.", "इसे जोड़ें।", True),
        ("Run `ls` *now*.", "*अभी* `ls` चलाएँ।", False),
        ("Run `ls` now.", "अभी `एलएस` चलाएँ।", True),
        ("Add it", 'इसे "जोड़ें"', True),
        ("Add it", "इसे जोड़ें ", True),
        ("Add it", "", False),
        ("Half of it", "इसका 50 %", True),
        ("All of it", "सब }", True),
        (("{n} rule", "{n} rules"), ("{n} नियम", "{n} नियम"), False),
        (("It is one", "They are {n}"), ("{n} है", "{n} हैं"), False),
        (("{n} rule", "{n} rules"), ("{n} नियम", "नियम"), True),
    ],
)
def test_a_fault_of_a_translation_is_found(source: str, text: str, has_fault: bool) -> None:
    assert bool([*faults(Message(source, text))]) is has_fault


@pytest.mark.parametrize("locale", LOCALES)
def test_translations_keep_what_a_message_is_made_of(locale: str) -> None:
    found = {str(message.id): [*faults(message)] for message in upkeep.read(upkeep.file_of(locale))}
    assert {text: each for text, each in found.items() if each} == {}


@pytest.mark.parametrize("locale", LOCALES)
def test_every_message_of_the_code_is_translated(code: Catalog, locale: str) -> None:
    catalogue = upkeep.read(upkeep.file_of(locale))
    translated = {message.id for message in catalogue if message.id and upkeep.is_translated(message)}
    assert {message.id for message in code if message.id} - translated == set()
    assert {message.id for message in catalogue if message.id} - {message.id for message in code} == set()
