"""The capacity model: its sources stand where it says, and its page has what it computes."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from harness.bench.scale import SIZES, Figures, Unreadable, installation, limits, load, tables
from harness.paths import ROOT

_FIGURES = ROOT / "docs" / "scale.toml"


@pytest.fixture
def found() -> Figures:
    """Provides the figures of the documentation."""
    return load(_FIGURES)


def other(found: Figures, **values: float) -> Figures:
    """Returns the figures with other values for some."""
    return msgspec.structs.replace(
        found, **{name: msgspec.structs.replace(getattr(found, name), value=value) for name, value in values.items()}
    )


def test_every_figure_stands_where_the_model_says(found: Figures) -> None:
    for name, figure in found.sources():
        text = (ROOT / figure.file).read_text(encoding="utf-8")
        assert figure.words, name
        assert " ".join(figure.words.split()) in " ".join(text.split()), name


def test_the_page_has_the_tables_of_the_present_figures(found: Figures) -> None:
    assert tables(found) in (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")


def test_the_tightest_limit_comes_first(found: Figures) -> None:
    carried = [each.organizations for each in limits(found)]
    assert carried == sorted(carried)
    assert all(count > 0 for count in carried)


def test_more_organizations_never_take_less(found: Figures) -> None:
    made = [installation(found, size) for size in SIZES]
    for less, more in pairwise(made):
        assert (less.shards, less.hosts, less.etcd_share) <= (more.shards, more.hosts, more.etcd_share)


def test_an_installation_fits_unless_a_limit_is_in_the_way(found: Figures) -> None:
    size = SIZES[-1]
    wide = other(found, ports=size, questions_per_s=0.1, etcd_renewals_per_s=1e6, shard_process_mb=1)
    assert installation(wide, size).is_possible
    assert not installation(other(wide, ports=size - 1), size).is_possible
    assert not installation(other(wide, questions_per_s=1e6), size).is_possible


def test_a_host_has_room_beside_what_waits_for_shards(found: Figures) -> None:
    made = installation(found, SIZES[0])
    heavier = installation(other(found, shard_process_mb=20 * found.shard_process_mb.value), SIZES[0])
    assert heavier.hosts >= made.hosts
    assert not installation(other(found, shard_process_mb=1e6), SIZES[0]).is_possible
    assert replace(made, is_possible=True) == made


def test_a_file_that_is_no_file_of_figures_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "scale.toml"
    for text in ("", "[hosts]\n", "no toml"):
        file.write_text(text)
        with pytest.raises(Unreadable):
            load(file)
