"""``deploy/bare/harsh`` creates the machine that it describes, passes the exit code on, and leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from harness.paths import ROOT
from tests.waiting import DEADLINE, wait_until

HARSH = str(ROOT / "deploy" / "bare" / "harsh")
LOOK = """
umask
ulimit -n
stat --format=%a:%t:%T /dev/net/tun
echo "${HOME-none} ${LANG-none} ${LC_ALL-none}"
printf '%s\\n' "$TMPDIR"
grep SigIgn /proc/self/status
cat
touch "$TMPDIR/left"
exit 5
"""


def outside_of_root() -> bool:
    """Tells if this is root of a user namespace only, which can't make devices."""
    return Path("/proc/self/uid_map").read_text().split()[2] != str(2**32 - 1)


@pytest.fixture(autouse=True)
def _by_root_of_the_machine() -> None:
    if os.geteuid() != 0 or outside_of_root():
        pytest.skip("root of the machine alone makes a device")


def harsh(*command: str, temporary: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [HARSH, *command],
        env={**os.environ, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "HOME": "/root", "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )


def command_line(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        # It has ended meanwhile.
        return b""


def test_harsh_runs_a_command_on_the_described_machine(tmp_path: Path) -> None:
    before = Path("/dev/net/tun").stat()
    done = harsh("sh", "-c", LOOK, temporary=tmp_path)
    mask, files, tun, words, folder, ignored = done.stdout.splitlines()
    assert (mask, files, tun, words) == ("0077", "1024", "600:a:c8", "none none none")
    assert " " in Path(folder).name
    numbers = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
    assert all(int(ignored.split()[1], 16) >> (number - 1) & 1 for number in numbers)
    assert done.returncode == 5
    assert list(tmp_path.iterdir()) == []
    assert Path("/dev/net/tun").stat() == before


def test_background_programs_in_harsh_end_with_it(tmp_path: Path) -> None:
    def others() -> int:
        return sum(b"\0others\0" in command_line(each) for each in Path("/proc").glob("[0-9]*/cmdline"))

    with subprocess.Popen([HARSH, "sleep", "1000"], env={**os.environ, "TMPDIR": str(tmp_path)}) as running:
        wait_until(lambda: others() == 1)
        running.kill()
    wait_until(lambda: others() == 0)


def test_harsh_without_a_command_prints_its_usage(tmp_path: Path) -> None:
    done = harsh(temporary=tmp_path)
    assert (done.returncode, done.stdout) == (64, "")
    assert "deploy/bare/harsh COMMAND" in done.stderr
