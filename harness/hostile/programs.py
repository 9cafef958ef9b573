"""Runs the program of an attack on a host of the lab, and reads its result."""

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
"""Starts a program on the attacking host (`netlab.Host.start_tool`)."""

READY_S = 30.0
"""Seconds in which an attack has to be on."""

_GRACE = 30.0
_runs = itertools.count(1)


@contextmanager
def running(
    start: Start,
    program: Path,
    options: Mapping[str, Any],
    *,
    ready: str | None,
    log: str,
    failure: str = "the attack was not answered",
    deadline_s: float | None = None,
    patience_s: float = 0.0,
) -> Iterator[dict[str, Any]]:
    """Runs a program while the block runs.

    Args:
        start: starts it in the attacker's network.
        program: a Python file that needs the standard library only.
        options: argument of the program, sent as JSON.
        ready: text that it prints once the attack is on; None: the block does not wait for it.
        log: name of its log; a number is appended.
        failure: message if ``ready`` is not printed.
        deadline_s: seconds to wait for ``ready``; `READY_S` if None.
        patience_s: seconds that the program may take to end by itself after the block; 0 ends it at once.

    Returns:
        The JSON object that it prints at its end; empty until the block has ended.

    Raises:
        Inconclusive: the attack did not begin, or the program printed no result.
    """
    # Logs are appended to, so a name that was used before would show `ready` at once.
    process = start(program, json.dumps(options), log=f"{log}-{next(_runs)}")
    result: dict[str, Any] = {}
    try:
        if ready is not None:
            try:
                process.wait_for_log(ready, READY_S if deadline_s is None else deadline_s)
            except NothingArrived as error:
                raise Inconclusive(f"{failure}: {process.log_text()[-500:]}") from error
        yield result
    finally:
        if not patience_s:
            process.signal(signal.SIGTERM)
        process.wait(patience_s + _GRACE)
    lines = [line for line in process.log_text().splitlines() if line.startswith("{")]
    if not lines:
        raise Inconclusive(f"the program of the attack printed no result: {process.log_text()[-500:]}")
    result.update(json.loads(lines[-1]))
