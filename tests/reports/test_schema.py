"""The transcript's file format, whose names are a contract with other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from jsonschema import Draft202012Validator

from reports.certificates import Certificate
from reports.schema import VERSION, Transcript, TranscriptError, dump, json_schema, load
from tests import properties
from tests.reports.samples import claim, run, scenario, transcripts

pytestmark = pytest.mark.long

# What is published about transcript.json; every other name in it is ours to add.
ADDED = {"elsewhere", "tested", "signed_by", "log", "mutants", "untried", "options"}
RUN = {"started_at", "seconds", "profile", "seed", "environment", "claims", "sabotage"}
CLAIM = {"id", "verdict", "scenarios"}
SCENARIO = {"name", "verdict", "seconds", "measured"}
SABOTAGE = {"id", "claim", "caught"}

MINIMAL: dict[str, Any] = {
    "started_at": "2026-03-01T12:30:59Z",
    "seconds": 48.2,
    "profile": "quick",
    "seed": 7,
    "environment": {"kernel": "6.1.0", "cpus": 2},
    "claims": [
        {
            "id": "one-hub",
            "verdict": "proven",
            "scenarios": [{"name": "test_x", "verdict": "proven", "seconds": 1, "measured": {"pings": 20}}],
        }
    ],
    "sabotage": [{"id": "leak", "claim": "one-hub", "caught": True}],
}


SPREAD = {"least": 0, "median": 1, "most": 2}
SAVE = {"policy": "default allow", "asked": 0, "answered": 1, "passed": []}
PROOF = {
    "kind": "certificate",
    "name": "acme",
    "machines": 2,
    "rules": 1,
    "policy": "0" * 64,
    "ruleset": "f" * 64,
    "kernel": "6.1.0",
    "engines": [{"name": "atoms", "counted": 40, "unit": "classes of packets", "seconds": 0.1}],
    "kinds": ["ct state"],
    "wrong": [],
}
ROW = {"source": "one", "destination": "two", "cells": []}


def stream(slots: int) -> dict[str, Any]:
    """Makes a stream with a number of slots."""
    return {"name": "one→two", "sent": [1] * slots, "delivered": [1] * slots, "denied": []}


@given(transcripts)
def test_a_transcript_survives_writing_and_reading(tmp_path_factory: pytest.TempPathFactory, made: Transcript) -> None:
    file = tmp_path_factory.getbasetemp() / "round-trip.json"
    file.write_bytes(dump(made))
    assert load(file) == made


@given(transcripts)
def test_every_name_of_the_contract_is_always_written(made: Transcript) -> None:
    written = json.loads(dump(made))
    assert written.keys() == RUN | {"verdict", "problems", "left_out", "version", "hub", "events"} | ADDED
    for each in written["claims"]:
        assert each.keys() == CLAIM | {"claim", "bound"}
        for one in each["scenarios"]:
            added = {"title", "controls", "failure", "rerun", "again", "evidence", "exhibits", "conditions"}
            assert one.keys() == SCENARIO | added
    for each in written["sabotage"]:
        assert each.keys() == SABOTAGE | {"broke", "noticed", "seconds", "conditions"}


def test_values_are_written_unchanged() -> None:
    made = run(claim("one-hub", scenario("test_x", measured={"pings": {"value": 20, "unit": "packets", "limit": 0}})))
    written = json.loads(dump(made))
    assert {name: written[name] for name in RUN - {"claims", "sabotage"}} == {
        "started_at": "2026-03-01T12:30:59Z",
        "seconds": 48.2,
        "profile": "quick",
        "seed": 271828,
        "environment": {"kernel": "6.1.0", "cpus": 2},
    }
    (only,) = written["claims"]
    (shown,) = only["scenarios"]
    assert (only["id"], only["verdict"]) == ("one-hub", "proven")
    assert {name: shown[name] for name in SCENARIO} == {
        "name": "test_x",
        "verdict": "proven",
        "seconds": 1.5,
        "measured": {"pings": {"value": 20, "unit": "packets", "limit": 0}},
    }
    (sabotage,) = written["sabotage"]
    assert {name: sabotage[name] for name in SABOTAGE} == {"id": "break-one-hub", "claim": "one-hub", "caught": True}


def test_the_required_fields_are_enough_to_be_read(tmp_path: Path) -> None:
    file = tmp_path / "transcript.json"
    file.write_text(json.dumps(MINIMAL))
    assert load(tmp_path) == load(file)
    assert load(file).claims[0].scenarios[0].measured == {"pings": 20}


def test_a_file_of_the_first_version_has_no_exhibits(tmp_path: Path) -> None:
    file = tmp_path / "transcript.json"
    file.write_text(json.dumps(MINIMAL))
    assert load(file).version == 1
    assert load(file).claims[0].scenarios[0].exhibits == []


def test_an_unknown_version_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "transcript.json"
    file.write_text(json.dumps({**MINIMAL, "version": VERSION + 1, "claims": "of another kind"}))
    with pytest.raises(TranscriptError, match=rf"is of version {VERSION + 1}, and this program reads up to version"):
        load(file)


@given(transcripts)
@properties.examples(50)
def test_written_transcripts_match_the_schema(made: Transcript) -> None:
    schema = json.loads(json_schema())
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(json.loads(dump(made)))


def test_a_certificate_is_read(tmp_path: Path) -> None:
    made = run(claim("no-egress", scenario(exhibits=[msgspec.convert(PROOF, Certificate)])))
    file = tmp_path / "transcript.json"
    file.write_bytes(dump(made))
    (exhibit,) = load(file).claims[0].scenarios[0].exhibits
    assert isinstance(exhibit, Certificate)
    assert exhibit.holds
    assert exhibit.numbers()["acme: rules that are proven"] == 1


@pytest.mark.parametrize(
    "exhibit",
    [
        {"kind": "histogram", "name": "x", "unit": "s", "edges": [0, 1, 2], "counts": [1], **SPREAD},
        {"kind": "histogram", "name": "x", "unit": "s", "edges": [1, 0], "counts": [1], **SPREAD},
        {"kind": "histogram", "name": "x", "unit": "s", "edges": [0, 1], "counts": [-1], **SPREAD},
        {"kind": "histogram", "name": "x", "unit": "s", "edges": [*range(99)], "counts": [0] * 98, **SPREAD},
        {"kind": "timeline", "name": "x", "slot": 1, "saves": [], "streams": []},
        {"kind": "timeline", "name": "x", "slot": 0, "saves": [], "streams": [stream(1)]},
        {"kind": "timeline", "name": "x", "slot": 1, "saves": [], "streams": [stream(1), stream(2)]},
        {"kind": "timeline", "name": "x", "slot": 1, "saves": [], "streams": [stream(10_000)]},
        {"kind": "timeline", "name": "x", "slot": 1, "saves": [SAVE], "streams": [stream(1)]},
        {"kind": "table", "name": "x", "policy": "y", "columns": ["icmp"], "rows": [ROW]},
        {"kind": "table", "name": "x" * 241, "policy": "y", "columns": ["icmp"], "rows": []},
        {**PROOF, "policy": "0" * 63},
        {**PROOF, "ruleset": "F" * 64},
        {**PROOF, "engines": []},
        {**PROOF, "kinds": ["ct state"] * 97},
        {**PROOF, "wrong": ["a packet"] * 9},
        {"kind": "photograph", "name": "x"},
    ],
)
def test_an_invalid_exhibit_is_refused(tmp_path: Path, exhibit: dict[str, Any]) -> None:
    (only,) = MINIMAL["claims"]
    (one,) = only["scenarios"]
    file = tmp_path / "transcript.json"
    file.write_text(
        json.dumps({**MINIMAL, "version": 2, "claims": [{**only, "scenarios": [{**one, "exhibits": [exhibit]}]}]})
    )
    with pytest.raises(TranscriptError, match="is no transcript"):
        load(file)


def test_names_that_a_newer_version_adds_are_no_error(tmp_path: Path) -> None:
    file = tmp_path / "transcript.json"
    (only,), (sabotage,) = MINIMAL["claims"], MINIMAL["sabotage"]
    more = {"weather": "rain"}
    scenarios = [{**each, **more} for each in only["scenarios"]]
    claims = [{**only, **more, "scenarios": scenarios}]
    file.write_text(json.dumps({**MINIMAL, **more, "claims": claims, "sabotage": [{**sabotage, **more}]}))
    assert load(file).seed == 7


@pytest.mark.parametrize("missing", sorted(RUN))
def test_a_missing_field_is_named(tmp_path: Path, missing: str) -> None:
    file = tmp_path / "transcript.json"
    file.write_text(json.dumps({name: value for name, value in MINIMAL.items() if name != missing}))
    with pytest.raises(TranscriptError, match=missing):
        load(file)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"<html>",
        b"\x00",
        b'{"started_at": "\xff"}',
        b"\xff\xfe{}",
        b'{"measured": ' + b"[" * 100_000,
        json.dumps({**MINIMAL, "seed": "7"}).encode(),
        json.dumps({**MINIMAL, "claims": {}}).encode(),
    ],
    ids=lambda content: repr(content[:24]),
)
def test_a_file_that_is_no_transcript_is_refused_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "transcript.json"
    file.write_bytes(content)
    with pytest.raises(TranscriptError, match="is no transcript") as refused:
        load(file)
    assert len(str(refused.value).splitlines()) == 1


def test_a_missing_file_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(TranscriptError, match=r"transcript\.json can't be read: No such file or directory"):
        load(tmp_path)
