"""A burst started on locust's own page, from outside of the lab."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.sandboxes import outside
from tests.waiting import wait_until

DEADLINE_S = 60.0


def _as_at_a_terminal() -> None:
    # A program that a shell starts in the background ignores SIGINT, and so do its children.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.long
def test_the_page_begins_a_burst_and_its_end_shows_the_figures(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "appliance",
        "burst",
        f"--web=127.0.0.1:{port}",
        "--at-once=2",
        "--organizations=7",
    ]
    log = tmp_path / "log"
    # The command makes a sandbox below this one.
    with log.open("wb") as output:
        burst = subprocess.Popen(command, env=outside(), stdout=output, stderr=output, preexec_fn=_as_at_a_terminal)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10.0, trust_env=False) as page:

            def shown(path: str) -> str:
                try:
                    return page.get(path).text
                except httpx.TransportError:
                    assert burst.poll() is None, log.read_text()
                    return ""

            wait_until(lambda: "locust" in shown("/").lower(), lambda: "locust's page is not shown")
            # The page proposes the number of `--organizations`.
            assert re.search(r'"?num_?users"?: ?"?7\b', shown("/"), re.IGNORECASE)
            begun = page.post("/swarm", data={"user_count": 3, "spawn_rate": 10})
            assert begun.json()["success"], begun.text
            wait_until(lambda: _meshes(shown("/stats/requests")) == 3, lambda: "not all came to a working mesh")
            page.get("/stop")
        burst.send_signal(signal.SIGINT)
        assert burst.wait(DEADLINE_S) in (0, 1), log.read_text()
    finally:
        if burst.poll() is None:
            burst.terminate()
            burst.wait(DEADLINE_S)
    said = log.read_text()
    for what, figure in (
        ("organizations", "3"),
        ("organizations with an error", "0"),
        ("collisions between organizations", "0"),
        ("share of meshes that work", "1"),
    ):
        assert re.search(rf"^ *{what} +{figure}\b", said, re.MULTILINE), said


def _meshes(stats: str) -> int:
    """Returns the number of meshes in locust's statistics."""
    counted = json.loads(stats)["stats"] if stats else []
    return sum(each["num_requests"] for each in counted if each["name"] == "sign-up to a working mesh")
