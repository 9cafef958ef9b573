"""One machine that opens all the connections it can, so that the hub follows as many as possible, for long."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.hostile import openers
from harness.verdicts import Inconclusive
from netlab import Process
from netlab.errors import NothingArrived

Start = Callable[..., Process]
"""`netlab.Host.start_tool` of the host that attacks."""

_DEADLINE = 30.0
_GRACE = 30.0


@dataclass
class Opened:
    """What was tried; nothing until the attack is over."""

    connections: int = 0


@contextmanager
def filling(
    start: Start,
    address: str,
    link: str,
    *,
    rate: float = 5_000.0,
    ready_after: int = 1000,
    seconds: float = 600.0,
    log: str = "openers",
) -> Iterator[Opened]:
    """Opens connections of a machine with itself, through the hub, while the block lasts.

    Args:
        start: starts a program in the attacker's network.
        address: the machine's own in its mesh.
        link: the machine's tunnel.
        rate: connections a second, at most.
        ready_after: connections before the block begins.
        seconds: after which it ends by itself.
        log: name of the program's log.

    Raises:
        Inconclusive: it could open none, or did not say how many.
    """
    wish = {"address": address, "link": link, "rate": rate, "ready_after": ready_after, "seconds": seconds}
    process = start(Path(openers.__file__), json.dumps(wish), log=log)
    opened = Opened()
    try:
        try:
            process.wait_for_log(openers.READY, _DEADLINE)
        except NothingArrived as error:
            raise Inconclusive(f"no connections were opened: {process.log_text()[-500:]}") from error
        yield opened
    finally:
        process.signal(signal.SIGTERM)
        process.wait(_GRACE)
    lines = [line for line in process.log_text().splitlines() if line.startswith("{")]
    if not lines:
        raise Inconclusive(f"it was not told how many connections were opened: {process.log_text()[-500:]}")
    opened.connections = json.loads(lines[-1])["connections"]
