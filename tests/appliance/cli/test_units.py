"""Hub and web process started separately, as by a service manager, and their systemd units."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.appliance.cli.started import PORT, answer, sign_up, wait_for_health
from tests.waiting import DEADLINE

UNITS = sorted(Path(__file__).parents[3].joinpath("deploy", "systemd").glob("*.service"))
SECRET = "a secret that nobody guesses"


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """Makes the socket on which systemd listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(str(tmp_path / "notify"))
        made.settimeout(DEADLINE)
        yield made


@pytest.fixture
def processes(swept: None) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Collects started processes, and ends those that are left."""
    del swept
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.terminate()
    for process in started:
        process.wait(DEADLINE)


@pytest.mark.long
def test_hub_and_web_start_and_restart_separately(
    data: Path, manager: socket.socket, processes: list[subprocess.Popen[bytes]]
) -> None:
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "MESHWG_DATA": str(data),
        "MESHWG_LISTEN": f"127.0.0.1:{PORT}",
        "MESHWG_UNLOCK_SECRET": SECRET,
        "NOTIFY_SOCKET": str(manager.getsockname()),
    }

    def started(name: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "appliance", name]
        # The units' UMask=.
        processes.append(subprocess.Popen(command, env=environment, umask=0o077))
        return processes[-1]

    hub = started("hub")
    assert manager.recv(100) == b"READY=1"
    del environment["MESHWG_UNLOCK_SECRET"]
    web = started("web")
    wait_for_health("/readyz")
    sign_up("acme")
    (before,) = answer(data, "census")["organizations"]
    web.kill()
    web.wait()
    started("web")
    wait_for_health("/readyz")
    hub.send_signal(signal.SIGTERM)
    assert hub.wait(DEADLINE) == 0
    environment["MESHWG_UNLOCK_SECRET"] = SECRET
    hub = started("hub")
    assert manager.recv(100) == b"READY=1"
    wait_for_health("/readyz")
    (after,) = answer(data, "census")["organizations"]
    assert after == before


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_systemd_accepts_the_unit(unit: Path, tmp_path: Path) -> None:
    """Verifies a unit; complaints about programs and users that this host lacks are ignored."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("this host has no systemd-analyze")
    text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", unit.read_text(), flags=re.MULTILINE)
    copies = [tmp_path / other.name for other in UNITS]
    for copy, other in zip(copies, UNITS, strict=True):
        copy.write_text(text if other == unit else other.read_text())
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(tmp_path / unit.name)],
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_container_image_is_built_from_a_pinned_one() -> None:
    text = UNITS[0].parents[1].joinpath("container", "Containerfile").read_text()
    assert re.search(r"^ARG BASE=\S+@sha256:[0-9a-f]{64}$", text, re.MULTILINE)
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {"${BASE}"}
