"""State of a running gate, as the service reads it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.service import gate_progress
from appliance.service.gate_progress import NAME
from reports.events.format import AnyEvent
from reports.events.state import MOST_ROWS, StateFile
from tests.properties import sharing_fixtures
from tests.reports.events.samples import FIGURES, RUN, STREAM, after, events


def test_the_state_is_read_as_the_gate_writes_it(tmp_path: Path) -> None:
    with StateFile(tmp_path / NAME, after(RUN[: RUN.index(FIGURES) + 1])):
        found = gate_progress.read(tmp_path)
        assert found is not None
        assert (found.stage, found.is_over) == ("running", False)
        scenario, sabotage = found.running
        stream = scenario.streams[0]
        assert (stream.name, stream.sent, stream.delivered, stream.denied) == (STREAM, 1500, 1234, 266)
        assert sabotage.verdict == "running"
    with StateFile(tmp_path / NAME, after(RUN)):
        found = gate_progress.read(tmp_path)
    assert found is not None
    assert [(row.verdict, row.is_bad) for row in found.ended] == [("noticed", False), ("proven", False)]
    assert (found.is_over, found.running, found.counts.proven, found.counts.noticed) == (True, (), 1, 1)


@sharing_fixtures(50)
@given(told=st.lists(events, max_size=40))
def test_whatever_a_run_tells_can_be_read(tmp_path: Path, told: list[AnyEvent]) -> None:
    with StateFile(tmp_path / NAME, after(told), pause_s=0.001):
        found = gate_progress.read(tmp_path)
    assert found is not None
    assert max(len(found.running), len(found.ended)) <= MOST_ROWS


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"at": "soon"}', b" " * 2**21])
def test_what_is_no_state_is_passed_over(tmp_path: Path, content: bytes) -> None:
    assert gate_progress.read(tmp_path / "nowhere") is None
    (tmp_path / NAME).write_bytes(content)
    assert gate_progress.read(tmp_path) is None


def test_links_and_another_user_s_file_are_passed_over(tmp_path: Path) -> None:
    with StateFile(tmp_path / "elsewhere", after(RUN)):
        pass
    (tmp_path / NAME).symlink_to("elsewhere")
    assert gate_progress.read(tmp_path) is None
    (tmp_path / "elsewhere").replace(tmp_path / NAME)
    assert gate_progress.read(tmp_path) is not None
    os.chown(tmp_path / NAME, 65534, 65534)
    assert gate_progress.read(tmp_path) is None
