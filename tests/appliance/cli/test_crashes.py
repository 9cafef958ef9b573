"""Processes are killed at random moments under random calls: nothing that was answered is missing, and nothing else is
half there."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.appliance.cli.started import Run, answer, call, children, start, wait_for_health, wait_until
from tests.appliance.cli.tenant import PASSWORD, Tenant, sign_up
from tests.appliance.databases import BOTH

TENANTS = 3
SEED = 4_215


def census(data: Path, url: str) -> list[dict[str, Any]]:
    """What exists, organization by organization."""
    found: list[dict[str, Any]] = answer(data, "census", f"--database-url={url}")["organizations"]
    return found


def has_its_peers(data: Path, tenant: Tenant, url: str) -> bool:
    """Whether the kernel has the keys that the organization's machines have."""
    (host,) = (each["host"] for each in census(data, url) if each["id"] == tenant.id)
    command = ["nsenter", f"--net=/run/netns/{host['namespace']}", "wg", "show", host["links"][0], "peers"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    return frozenset(shown.stdout.split()) == tenant.state.keys


def is_whole(data: Path, url: str) -> bool:
    """Whether whatever is in the store is on the host, and the other way round."""
    return all(bool(each["host"]) == bool(each["rows"]) and not each["orphan"] for each in census(data, url))


def worker_of(pid: int) -> int | None:
    """The process that answers requests: the web process's child."""
    with suppress(OSError):
        return next((int(pid) for pid in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()), None)
    return None


def kill_one(run: Run, chosen: str) -> None:
    """Kills the hub, the web process or that one's worker, if it is there just now."""
    found = children(run.process.pid)
    pid = found.get("hub" if chosen == "hub" else "web")
    if chosen == "worker" and pid is not None:
        pid = worker_of(pid)
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def wait_for_changes(tenants: list[Tenant], count: int, working: list[Future[None]]) -> None:
    """Until so many more changes were answered, or somebody has found a fault."""
    enough = sum(tenant.done for tenant in tenants) + count
    wait_until(lambda: sum(each.done for each in tenants) >= enough or any(each.done() for each in working))


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("database", BOTH, indirect=True)
def test_killed_at_random_moments(data: Path, runs: list[Run], database: str, pytestconfig: pytest.Config) -> None:
    url = database if database.startswith("postgresql") else f"sqlite:///{data}/store/meshwg.sqlite"
    run = start(runs, data, "--trusted-source=127.0.0.1/32", f"--database-url={url}")
    run.wait_until_ready()
    chooser, ended = random.Random(SEED), threading.Event()
    tenants = [Tenant(f"tenant-{number}", SEED + number) for number in range(TENANTS)]

    def keep_changing(tenant: Tenant) -> None:
        while not ended.is_set():
            tenant.step()

    def come_and_go() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            _, token = sign_up(f"guest-{number}")
            with suppress(OSError):
                call("DELETE", "/api/v1/organization", {"confirm": f"guest-{number}"}, token)
            wait_for_health()

    with ThreadPoolExecutor(TENANTS + 1) as pool:
        working = [*(pool.submit(keep_changing, tenant) for tenant in tenants), pool.submit(come_and_go)]
        try:
            for _ in range(pytestconfig.getoption("--crashes")):
                wait_for_health()
                wait_for_changes(tenants, chooser.randrange(1, 12), working)
                kill_one(run, chooser.choice(["hub", "web", "worker"]))
        finally:
            ended.set()
        for each in working:
            each.result()
    wait_for_health("/readyz")
    assert run.process.poll() is None
    for tenant in tenants:
        assert tenant.look() == tenant.state
        wait_until(partial(has_its_peers, data, tenant, url))
    # Guests that were cut off are there as a whole or not at all, in the store and on the host alike.
    wait_until(partial(is_whole, data, url))
    for guest in {each["name"] for each in census(data, url)} - {f"tenant-{number}" for number in range(TENANTS)}:
        status, _ = call("POST", "/api/v1/sessions", {"email": f"owner@{guest}.example", "password": PASSWORD})
        assert status == 201
    assert run.stop() == 0
