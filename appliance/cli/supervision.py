"""Supervision of child processes: restarted when they die or on request, until a request to end."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from appliance.cli.child import GRACE_S, POLL_S, Child

log = structlog.get_logger()

LOOK_S = 0.05
"""Time in seconds between looks at the children."""

_LOAD_DEADLINE_S = 30.0


@dataclass
class Signals:
    """Requests to a supervisor by signals.

    Plain values: a `threading.Event` has a lock, which the interrupted code may hold.

    Attributes:
        stopped: True to end.
        renewed: True to restart every child.
    """

    stopped: bool = False
    renewed: bool = False

    @classmethod
    def handled(cls) -> Signals:
        """Handle SIGTERM and SIGINT as requests to end, and SIGHUP as a request to restart every child."""
        signals = cls()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: setattr(signals, "stopped", True))
        signal.signal(signal.SIGHUP, lambda *_: setattr(signals, "renewed", True))
        return signals


def watch(
    children: list[Child],
    signals: Signals,
    is_outdated: Callable[[], bool] = lambda: False,
    beside: Sequence[Child] = (),
    meanwhile: Callable[[], object] = lambda: None,
) -> None:
    """Keep the children alive until a request to end, and restart them on request.

    Args:
        is_outdated: returns True if they have to be restarted for another reason; called often.
        beside: further processes, which are kept alive and not restarted on request.
        meanwhile: called often; it may add children.
    """
    while not signals.stopped:
        time.sleep(LOOK_S)
        meanwhile()
        if signals.renewed or is_outdated():
            signals.renewed = False
            _renew(children)
        for child in (*children, *beside):
            child.revive()


def _renew(children: list[Child]) -> None:
    for child in children:
        child.prepare()
    if all(child.is_prepared(_LOAD_DEADLINE_S) for child in children):
        # All are asked first, so that they end in parallel; and whichever has ended gives its turn at once, since the
        # lease of one of many hubs runs on for two seconds only.
        for child in children:
            child.end()
        deadline, waiting = time.monotonic() + GRACE_S, list(children)
        while waiting:
            is_late = time.monotonic() > deadline
            ended = [child for child in waiting if is_late or child.ends_within(0)]
            for child in ended:
                child.renew()
            waiting = [child for child in waiting if child not in ended]
            time.sleep(POLL_S if waiting else 0)
        return
    for child in children:
        child.forget_successor()
    log.error("no process is restarted, because the installed code does not load; the running ones go on")
