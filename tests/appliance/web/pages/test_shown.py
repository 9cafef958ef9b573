"""Moments on pages: in the reader's zone by a script, wherever they come from."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from appliance.languages import Reader, loaded, reading
from appliance.model.errors import Conflict
from appliance.model.sentences import sentence
from appliance.service import machines
from appliance.web.pages import trail_words
from appliance.web.pages.shown import shown
from tests.appliance.web.pages.visitor import Visitor

AT = datetime(2026, 3, 1, 12, 30, 59, tzinfo=timezone.utc)
TAG = '<time datetime="2026-03-01T12:30:59Z" data-shown="moment">{}</time>'


def test_a_moment_is_marked_up_for_the_script() -> None:
    assert str(shown(AT)) == TAG.format("1 Mar 2026, 12:30 UTC")


def test_moments_in_sentences_are_marked_up_and_the_rest_escaped() -> None:
    said = sentence("{name} & co. until {at:%Y-%m-%d %H:%M UTC}, or {at}.", name="<b>", at=AT)
    assert str(shown(said)) == (
        f"&lt;b&gt; &amp; co. until {TAG.format('2026-03-01 12:30 UTC')}, or {TAG.format('1 Mar 2026, 12:30 UTC')}."
    )


def test_a_sentence_without_moments_is_escaped_once() -> None:
    said = sentence("{name} & co.", name="<b>")
    assert shown(said) == "<b> & co."
    assert not hasattr(shown(said), "__html__")


@pytest.mark.long
def test_a_refusal_with_a_moment_is_shown_in_the_reader_s_zone(owner: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise Conflict("The next one is free at {at:%Y-%m-%d %H:%M:%S UTC}.", at=AT)

    monkeypatch.setattr(machines, "add", refuse)
    answer = owner.add_machine("one")
    assert answer.status == 409
    assert f"free at {TAG.format('2026-03-01 12:30:59 UTC')}." in answer.text


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("due", "2026-03-01 12:30 UTC", AT.replace(second=0)),
        ("due", "2026-02-30 12:30 UTC", "2026-02-30 12:30 UTC"),
        # A name is data, whatever it is like.
        ("name", "2026-03-01 12:30 UTC", "2026-03-01 12:30 UTC"),
    ],
)
def test_facts_of_a_trail_that_are_moments_are_told_as_such(key: str, value: str, told: str | datetime) -> None:
    assert trail_words.facts({key: value}) == [(key, told)]


@pytest.mark.parametrize(
    ("key", "value", "told"), [("role", "viewer", "अवलोकक"), ("previous_plan", "free", "मुफ़्त"), ("name", "free", "free")]
)
def test_words_of_the_service_in_a_trail_are_translated(key: str, value: str, told: str) -> None:
    with reading(Reader(loaded()["hi"])):
        assert [each for _, each in trail_words.facts({key: value})] == [told]
