"""``publish``: publication and withdrawal of runs, and refusals."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.cli.errors import CommandError, Exit
from appliance.cli.folder import Folder
from appliance.cli.publish import publish
from tests.appliance.published import written
from tests.appliance.sites import make_data


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    make_data(tmp_path / "data").close()
    return Folder(tmp_path / "data")


def test_a_run_is_published_listed_and_withdrawn(
    folder: Folder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = written(tmp_path / "out", "2026-03-01T12:00:00Z")
    before = os.umask(0o077)
    publish(run, data=folder.path)
    os.umask(before)
    assert f"{run.name}  pass  2 of 2 claims proven, 1 of 2 breaks noticed" in capsys.readouterr().out
    # The web process only reads, as somebody else.
    assert (folder.transcripts / run.name).stat().st_mode & 0o777 == 0o755
    assert (folder.transcripts / run.name / "transcript.json").stat().st_mode & 0o004
    publish(as_list=True, data=folder.path)
    assert run.name in capsys.readouterr().out
    publish(withdraw=run.name, data=folder.path)
    publish(as_list=True, data=folder.path)
    assert capsys.readouterr().out.endswith("Nothing is published.\n")


def test_a_refused_publication_is_one_sentence(folder: Folder, tmp_path: Path) -> None:
    for arguments, code in (
        ({"run": tmp_path}, Exit.NO_INPUT),
        ({"withdraw": "20260301T120000Z-abc"}, Exit.NO_INPUT),
    ):
        with pytest.raises(CommandError) as refused:
            publish(**arguments, data=folder.path)
        assert refused.value.code is code
    with pytest.raises(CommandError) as refused:
        publish(data=tmp_path / "elsewhere")
    assert refused.value.code is Exit.NOT_CONFIGURED


def test_a_hidden_run_is_left_to_an_operator(
    folder: Folder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = written(tmp_path / "out", "2026-03-01T12:00:00Z")
    publish(run, hidden=True, data=folder.path)
    assert capsys.readouterr().out.startswith(f"Held back: {run.name}  pass")
    publish(as_list=True, data=folder.path)
    assert capsys.readouterr().out.endswith("breaks noticed  hidden\n")
    publish(run, data=folder.path)
    publish(as_list=True, data=folder.path)
    assert capsys.readouterr().out.endswith("breaks noticed\n")
    with pytest.raises(CommandError) as refused:
        publish(tmp_path, hidden=True, data=folder.path)
    assert refused.value.code is Exit.NO_INPUT
