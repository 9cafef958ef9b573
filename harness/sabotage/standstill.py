"""Sabotage of a hub whose traffic stands still for a time."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from appliance.hub.names import KernelNames
from appliance.hub.plane.enforcement import Enforcement, LastCheck, no_check
from appliance.hub.wireguard import processes
from appliance.model.desired import Desired

_update = Enforcement.update


def stand_still_at_saves() -> None:
    """Forwards nothing for two seconds at every eighth change of the rules, without a change of their verdicts."""
    _stand_still(every=8, seconds=2.0)


def stand_still_often() -> None:
    """Forwards nothing for 0.7 seconds at every second change of the rules, without a change of their verdicts.

    Two streams of a packet each 2 ms fill the queue of a userspace WireGuard in 0.3 seconds.
    """
    _stand_still(every=2, seconds=0.7)


def _stand_still(every: int, seconds: float) -> None:
    numbers = itertools.count(1)
    newest: dict[str, Desired] = {}

    def update(self: Enforcement, names: KernelNames, desired: Desired, last_check: LastCheck = no_check) -> None:
        _update(self, names, desired, last_check)
        if newest.get(names.namespace) != desired:
            newest[names.namespace] = desired
            if next(numbers) % every == 0:
                # Within the change, so that nothing is repaired meanwhile.
                with _still(names):
                    time.sleep(seconds)

    Enforcement.update = update  # type: ignore[method-assign]


@contextmanager
def _still(names: KernelNames) -> Iterator[None]:
    # None for the kernel's WireGuard.
    process = processes.by_link().get(names.link)
    if process is None:
        _forward(names, "0")
    else:
        _signal(process, signal.SIGSTOP)
    try:
        yield
    finally:
        if process is None:
            _forward(names, "1")
        else:
            _signal(process, signal.SIGCONT)


def _signal(process: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, number)


def _forward(names: KernelNames, value: str) -> None:
    command = ("ip", "netns", "exec", names.namespace, "sysctl", "-qw", f"net.ipv4.ip_forward={value}")
    subprocess.run(command, check=True)
