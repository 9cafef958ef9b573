"""Limits of a burst."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from harness.burst.report import Figures
from harness.burst.slo import DEFAULT, BadSlo, Slo, read

GOOD = Figures(
    organizations=100, errors=0, collisions=0, meshes_working=100, rate_per_s=9.5, p50_ms=300.0, p95_ms=480.0
)


def test_the_default_file_sets_every_limit() -> None:
    slo = read(DEFAULT)
    assert None not in msgspec.structs.asdict(slo).values()
    assert slo.missed_by(GOOD) == []


@pytest.mark.parametrize(
    ("change", "missed"),
    [
        ({"errors": 1}, "errors"),
        ({"collisions": 1}, "collisions"),
        ({"meshes_working": 99}, "meshes_working_share"),
        ({"p95_ms": 2001.0}, "p95_ms"),
        ({"p95_ms": None}, "p95_ms"),
        ({"rate_per_s": 7.9}, "rate_per_s"),
    ],
)
def test_each_limit_is_checked(change: dict[str, float | None], missed: str) -> None:
    assert read(DEFAULT).missed_by(msgspec.structs.replace(GOOD, **change)) == [missed]


def test_a_limit_that_a_file_leaves_out_is_not_checked(tmp_path: Path) -> None:
    toml, json = tmp_path / "slo.toml", tmp_path / "slo.json"
    toml.write_text("errors = 3\n")
    json.write_text('{"errors": 3}')
    assert read(toml) == read(json) == Slo(errors=3)
    bad = msgspec.structs.replace(GOOD, errors=3, collisions=9, meshes_working=0, p95_ms=None, rate_per_s=0.0)
    assert Slo(errors=3).missed_by(bad) == []


@pytest.mark.parametrize(
    ("name", "text"), [("a.toml", "eror = 0"), ("a.toml", "errors ="), ("a.json", '{"errors": "0"}')]
)
def test_a_file_with_another_content_is_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(
        BadSlo, match=r" has to be (JSON|TOML) with numbers for some of errors, .*, and nothing else\.$"
    ):
        read(tmp_path / name)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSlo, match="No such file"):
        read(tmp_path / "slo.toml")
