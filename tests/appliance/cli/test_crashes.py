"""Processes are killed at random moments under random calls, on PostgreSQL; the gate does the same on SQLite."""

from __future__ import annotations

import subprocess
from collections.abc import Collection
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from harness.client.api import Api
from harness.world.crashes import KilledService, kills, survive
from tests.appliance.cli.started import PORT, Run, answer, children, start
from tests.appliance.databases import on_postgresql

pytestmark = pytest.mark.long

KILLS = 2
SEED = 4_215


def victims(run: Run, command: str) -> Collection[int]:
    """Lists the process of a command, and for the web process its worker too, which answers requests."""
    pid = children(run.process.pid).get(command)
    if pid is None:
        return ()
    found = {pid}
    if command == "web":
        with suppress(OSError):
            found.update(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    return found


def peers(namespace: str, link: str) -> frozenset[str]:
    """Returns the keys that the link has."""
    command = ["nsenter", f"--net=/run/netns/{namespace}", "wg", "show", link, "peers"]
    return frozenset(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


@on_postgresql
def test_killed_processes_lose_no_answered_change(data: Path, runs: list[Run], database: str) -> None:
    run = start(runs, data, "--trusted-source=127.0.0.1/32", f"--database-url={database}")
    run.wait_until_ready()
    ground = KilledService(
        lambda: Api(f"https://127.0.0.1:{PORT}", data / "tls" / "certificate.pem"),
        partial(victims, run),
        lambda: answer(data, "census", f"--database-url={database}")["organizations"],
        peers,
    )
    assert survive(ground, kills(ground, KILLS, SEED), SEED).done > 0
    assert run.process.poll() is None
    assert run.stop() == 0
