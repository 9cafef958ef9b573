"""locust's own program, started on the organizations that it is to be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from harness.burst.messages import DESK
from harness.paths import ROOT
from harness.subject.service import Service

PAGE = ("127.0.0.1", 8089)
"""Where locust's page is, in the network that the caller is in."""
_FILE = Path(__file__).with_name("locustfile.py")
_GRACE = 15.0


@dataclass(frozen=True)
class Load:
    """How locust is started.

    Attributes:
        users: organizations that come at once.
        processes: how many of its processes share them, beside one that leads; 1 does all by itself.
        page: whether it waits for somebody at its page, which says then how many come.
    """

    users: int
    processes: int = 1
    page: bool = False


@contextmanager
def running(load: Load, service: Service, desk: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """locust, for as long as ``with`` lasts.

    Args:
        desk: the desk's socket.
        log: where its words go.
    """
    with log.open("wb") as words:
        process = subprocess.Popen(
            _command(load, service),
            cwd=ROOT,
            env=_environment(service, desk),
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=subprocess.STDOUT,
            # Ctrl-C is for who started the burst, who ends this then.
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
    how = [f"--web-host={PAGE[0]}", f"--web-port={PAGE[1]}"] if load.page else ["--headless", "--only-summary"]
    return [
        sys.executable,
        "-m",
        "locust",
        f"--locustfile={_FILE}",
        f"--host={service.url}",
        f"--users={load.users}",
        f"--spawn-rate={load.users}",
        *([f"--processes={load.processes}"] if load.processes > 1 else []),
        *how,
    ]


def _environment(service: Service, desk: Path) -> dict[str, str]:
    # What somebody set for runs of locust of his own is none of this one's.
    kept = {key: value for key, value in os.environ.items() if not key.startswith("LOCUST_")}
    return {**kept, "SSL_CERT_FILE": str(service.certificate), DESK: str(desk)}
