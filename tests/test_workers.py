"""Workers that are forked from one process (`tests.workers`)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.paths import ROOT
from tests.waiting import DEADLINE

pytestmark = pytest.mark.long

_OPTIONS = ["-p", "xdist", "-p", "tests.workers", "-p", "no:cacheprovider", "-n2", "--dist=worksteal", "-ra"]
# In a folder that it writes to: loaded once, run by several.
_TESTS = """\
import os, time
from pathlib import Path

HERE = Path(__file__).parent
with (HERE / "loads").open("a") as file:
    file.write("loaded\\n")

def test_end():
    os._exit(1)

def meet(tmp_path, worker_id):
    (HERE / f"{worker_id}.met").write_text(f"{tmp_path.parent.name} {os.readlink('/proc/self/ns/net')}")
    while len([*HERE.glob("*.met")]) < 2:
        time.sleep(0.01)

def write(worker_id):
    print(worker_id, "wrote")
    assert False

test_one = test_two = test_three = test_four = meet
test_five = test_six = write
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Folder that a sandbox in this one sees too."""
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="workers-") as made:
        yield Path(made)


def _run(folder: Path, **modules: str) -> subprocess.CompletedProcess[str]:
    for name, source in modules.items():
        (folder / f"test_{name}.py").write_text(source)
    (folder / "pytest.ini").touch()
    return subprocess.run(
        [sys.executable, "-m", "pytest", f"--config-file={folder}/pytest.ini", *_OPTIONS, folder],
        cwd=ROOT,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )


def test_sandboxes_run_what_was_collected_once(folder: Path) -> None:
    done = _run(folder, all=_TESTS)
    assert "3 failed, 4 passed" in done.stdout, done
    assert (folder / "loads").read_text() == "loaded\n"
    temporary, networks = zip(*(each.read_text().split() for each in folder.glob("*.met")), strict=True)
    assert {f"popen-{each.stem}" for each in folder.glob("*.met")} == {*temporary}
    assert len({*networks, str(Path("/proc/self/ns/net").readlink())}) == len(networks) + 1
    # One that dies is replaced, and what a test writes is shown with it alone.
    assert "crashed while running 'test_all.py::test_end'" in done.stdout
    assert len(re.findall(r"-\ngw\d wrote\n", done.stdout)) == 2, done


def test_modules_that_can_not_be_imported_are_told(folder: Path) -> None:
    done = _run(folder, broken="import nowhere", whole="def test_whole(): pass")
    assert "No module named 'nowhere'" in done.stdout, done
    assert done.returncode not in (0, 5)


def test_a_run_that_can_not_begin_ends(folder: Path) -> None:
    (folder / "conftest.py").write_text("def pytest_collection(): raise ValueError('nothing here')")
    done = _run(folder, whole="def test_whole(): pass")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, done
    assert "can't be collected" in done.stderr
