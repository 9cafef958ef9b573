"""Lines of events: what is written can be read, and what is no event is skipped."""

from __future__ import annotations

import json

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.events.format import AnyEvent, RunBegun, clipped, decode, encode, json_schema
from tests.reports.events.samples import BEGUN, RUN, SAVED, events


@given(events)
def test_every_event_can_be_read_again(event: AnyEvent) -> None:
    line = encode(event)
    assert line.count(b"\n") == 1
    assert decode(line) == event


@pytest.mark.long
def test_every_event_follows_the_schema() -> None:
    schema = json.loads(json_schema())
    for event in RUN:
        jsonschema.validate(json.loads(encode(event)), schema)


def test_the_names_of_kinds_and_fields_stay() -> None:
    assert json.loads(encode(SAVED)) == {
        "event": "save-answered",
        "at": 3.0,
        "claim": "live-change",
        "scenario": "test_x",
        "policy": "default deny",
        "ms": 3.1,
        "saves": 4,
        "slowest_ms": 8.5,
    }


@given(st.sampled_from(RUN), st.data())
def test_a_line_that_was_cut_is_no_event(event: AnyEvent, data: st.DataObject) -> None:
    line = encode(event).rstrip(b"\n")
    assert decode(line[: data.draw(st.integers(0, len(line) - 1))]) is None


@given(st.binary())
def test_no_bytes_raise_an_error(line: bytes) -> None:
    decode(line)


@pytest.mark.parametrize(
    "line",
    [
        b'{"event":"tea-served","at":1.0}',
        b'{"at":1.0}',
        b'{"event":"note","word":7,"text":"x"}',
        b'{"event":"run-ended","verdict":"pass"}',
        b"[" * 100_000,
        b'{"event":"note","word":"\xff","text":"x"}',
    ],
)
def test_what_this_program_does_not_know_is_no_event(line: bytes) -> None:
    assert decode(line) is None


def test_fields_that_this_program_does_not_know_are_skipped() -> None:
    line = encode(BEGUN).replace(b'{"event"', b'{"weather":"fine","event"')
    assert decode(line) == BEGUN
    assert isinstance(decode(line), RunBegun)


def test_long_texts_are_clipped_to_one_line() -> None:
    assert clipped("a\n b") == "a b"
    assert len(clipped("x" * 1000)) == 240
