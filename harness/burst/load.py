"""Starts and ends locust."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from harness.burst.messages import COORDINATOR
from harness.paths import ROOT
from harness.subject.service import Service

PAGE = ("127.0.0.1", 8089)
"""Address of locust's page, in the caller's network namespace."""
LOCUSTFILE = Path(__file__).with_name("locustfile.py")
"""Program of locust's users."""

_GRACE = 15.0


@dataclass(frozen=True)
class Load:
    """Options of locust.

    Attributes:
        users: number of organizations that begin at once.
        processes: worker processes beside the one that leads; 1 for a single process.
        page: show locust's page and wait there for the number of users.
    """

    users: int
    processes: int = 1
    page: bool = False


@contextmanager
def running(load: Load, service: Service, coordinator: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Runs locust while the block runs.

    Args:
        load: options of locust.
        service: service that the organizations sign up at.
        coordinator: path of the coordinator's socket.
        log: path of the file for locust's output.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            _command(load, service),
            cwd=ROOT,
            env=_environment(service, coordinator),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Ctrl-C reaches this program alone, which then ends locust.
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _command(load: Load, service: Service) -> list[str]:
    mode = [f"--web-host={PAGE[0]}", f"--web-port={PAGE[1]}"] if load.page else ["--headless", "--only-summary"]
    return [
        sys.executable,
        "-m",
        "locust",
        f"--locustfile={LOCUSTFILE}",
        f"--host={service.url}",
        f"--users={load.users}",
        f"--spawn-rate={load.users}",
        *([f"--processes={load.processes}"] if load.processes > 1 else []),
        *mode,
    ]


def _environment(service: Service, coordinator: Path) -> dict[str, str]:
    # Settings for other runs of locust don't apply here.
    kept = {key: value for key, value in os.environ.items() if not key.startswith("LOCUST_")}
    return {**kept, "SSL_CERT_FILE": str(service.certificate), COORDINATOR: str(coordinator)}
