"""Runs the program of an attack on a host of the lab, and reads its result."""

from __future__ import annotations

import itertools
import json
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from harness.judging.verdicts import Inconclusive
from netlab import NothingArrived, Process

Start = Callable[..., Process]
"""Starts a program on the attacking host (`netlab.Host.start_tool`)."""

READY_S = 30.0
"""Seconds in which an attack has to be on."""

LONGEST_S = 600.0
"""Seconds after which an attack ends by itself."""

_GRACE = 30.0
_runs = itertools.count(1)


def service_options(url: str, certificate: Path | None, **more: object) -> dict[str, object]:
    """Returns the options of a program that sends requests to the service.

    Args:
        url: base URL of the service, ``https://host:port``.
        certificate: PEM file of the authority that signed the service's certificate.
        more: the program's own options.
    """
    parts = urlsplit(url)
    certificate_file = None if certificate is None else str(certificate)
    return {"host": parts.hostname, "port": parts.port, "certificate": certificate_file, "seconds": LONGEST_S, **more}


@contextmanager
def running(
    start: Start,
    program: ModuleType,
    options: Mapping[str, Any],
    *,
    failure: str = "the attack was not answered",
    waits: bool = True,
    deadline_s: float | None = None,
    patience_s: float = 0.0,
) -> Iterator[dict[str, Any]]:
    """Runs a program while the block runs.

    Args:
        start: starts it in the attacker's network.
        program: a module that needs the standard library only, and prints its `READY` once the attack is on.
        options: argument of the program, sent as JSON.
        failure: message if the attack does not begin.
        waits: the block waits for the attack to be on.
        deadline_s: seconds to wait for it; `READY_S` if None.
        patience_s: seconds that the program may take to end by itself after the block; 0 ends it at once.

    Returns:
        The JSON object that it prints at its end; empty until the block has ended.

    Raises:
        Inconclusive: the attack did not begin, or the program printed no result.
    """
    # Logs are appended to, so a name that was used before would show `ready` at once.
    file = Path(str(program.__file__))
    process = start(file, json.dumps(options), log=f"{file.stem}-{next(_runs)}")
    result: dict[str, Any] = {}
    try:
        if waits:
            try:
                process.wait_for_log(program.READY, READY_S if deadline_s is None else deadline_s)
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
