"""Lab of the demonstration: a program of another package, found by its entry point and never imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from importlib.util import find_spec
from typing import IO

from appliance import lifeline
from appliance.cli.errors import CommandError, Exit
from appliance.model.demo import STREAMS
from appliance.service.machines import IssuedMachine

GROUP = "meshwg.demo"
"""Entry point group of the lab: a module that ``python -m`` runs."""
ENDPOINT = ("192.0.2.1", 51820)
"""The hub's address in the lab (RFC 5737); a gateway there relays to the hub."""
_HERE = "127.0.0.1"
_CHECK_DEADLINE_S = 60.0
_GRACE_S = 5.0


def program() -> list[str]:
    """Find the lab's program, and return its command line.

    Raises:
        CommandError: it is not installed.
    """
    # Loaded here, because only a demonstration takes it.
    from importlib.metadata import entry_points

    for entry in entry_points(group=GROUP):
        if find_spec(entry.module) is not None:
            return [sys.executable, "-m", entry.module]
    raise CommandError(
        "The demonstration needs the test harness, which is not installed here: run it from a clone.", Exit.UNAVAILABLE
    )


def check() -> None:
    """Check that this host can have the lab.

    Raises:
        CommandError: its program is not installed, or can't make its namespaces.
    """
    try:
        done = subprocess.run(
            [*program(), "--check"],
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_CHECK_DEADLINE_S,
        )
    except subprocess.TimeoutExpired:
        raise CommandError("The demonstration's lab does not answer.", Exit.UNAVAILABLE) from None
    if done.returncode != 0:
        why = done.stderr.strip().rpartition("\n")[2] or f"exit code {done.returncode}"
        raise CommandError(f"The demonstration can't have its lab here: {why}.", Exit.UNAVAILABLE)


@contextmanager
def running(issued: Sequence[IssuedMachine], port: int) -> Iterator[IO[bytes]]:
    """Run the lab during the block; yields its readings, one line each.

    Args:
        issued: machines with their configurations, whose endpoint is `ENDPOINT`.
        port: the hub's public UDP port.
    """
    process = subprocess.Popen(
        program(),
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=partial(lifeline.end_with_parent, os.getpid()),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        with suppress(BrokenPipeError):
            process.stdin.write(_plan(issued, port))
            process.stdin.flush()
        yield process.stdout
    finally:
        # It ends with its input, and takes its namespaces along however it ends.
        with suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def _plan(issued: Sequence[IssuedMachine], port: int) -> bytes:
    plan = {
        "hub": (_HERE, port),
        "endpoint": ENDPOINT,
        "machines": [
            {"name": each.machine.name, "address": str(each.machine.address), "config": each.configuration.text()}
            for each in issued
        ],
        "streams": [
            {
                "source": stream.source,
                "destination": stream.destination,
                "protocol": stream.protocol.value,
                "port": stream.port,
            }
            for stream in STREAMS
        ],
    }
    return json.dumps(plan).encode() + b"\n"
