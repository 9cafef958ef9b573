"""Runs the program of an attack on a host of the lab, and reads what it tells of itself at its end."""

from __future__ import annotations

import itertools
import json
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.judging.verdicts import Inconclusive
from netlab import NothingArrived, Process

Start = Callable[..., Process]
"""`netlab.Host.start_tool` of the host that attacks."""

_DEADLINE = 30.0
_GRACE = 30.0
_runs = itertools.count(1)


@contextmanager
def running(
    start: Start,
    program: Path,
    wish: Mapping[str, Any],
    *,
    ready: str | None,
    log: str,
    otherwise: str = "the attack was not answered",
    deadline_s: float | None = None,
    patience_s: float = 0.0,
) -> Iterator[dict[str, Any]]:
    """Run a program while the block lasts.

    Args:
        start: starts it in the attacker's network.
        program: a Python file that needs the standard library only.
        wish: its argument, as JSON.
        ready: what it prints once the attack is on; None: the block does not wait for that.
        log: beginning of its log's name; its number follows.
        otherwise: what is wrong where that is not printed, in words.
        deadline_s: how long that may take; half a minute if None.
        patience_s: how long it goes on after the block, to end by itself; 0 ends it at once.

    Returns:
        What it told, which is nothing until the block has ended.

    Raises:
        Inconclusive: the attack did not begin, or the program did not tell what came of it.
    """
    # A log is appended to: of a name that was there before, it would tell at once that this program is ready.
    process = start(program, json.dumps(wish), log=f"{log}-{next(_runs)}")
    told: dict[str, Any] = {}
    try:
        if ready is not None:
            try:
                process.wait_for_log(ready, _DEADLINE if deadline_s is None else deadline_s)
            except NothingArrived as error:
                raise Inconclusive(f"{otherwise}: {process.log_text()[-500:]}") from error
        yield told
    finally:
        if not patience_s:
            process.signal(signal.SIGTERM)
        process.wait(patience_s + _GRACE)
    lines = [line for line in process.log_text().splitlines() if line.startswith("{")]
    if not lines:
        raise Inconclusive(f"the attack did not tell what came of it: {process.log_text()[-500:]}")
    told.update(json.loads(lines[-1]))
