"""Log, metrics and ends that a service reports, and the watch over them, with a clock of their own."""

from __future__ import annotations

import json
from collections.abc import Callable

from harness.subject.fault_watch import FaultWatch
from tests.appliance.clocks import ModuleTime

START = """process_start_time_seconds 5.0
meshwg_hub_up 1.0
meshwg_organizations 3.0
meshwg_organizations_enforced 3.0
meshwg_http_answers_total{status="200"} 4.0
meshwg_http_answers_total{status="500"} 0.0
meshwg_repairs_total{part="link"} 0.0
meshwg_machine_calls_total{outcome="made"} 0.0
meshwg_machine_calls_total{outcome="failed"} 0.0
meshwg_machine_calls_due 0.0
"""
REPAIR, ANSWER = 'meshwg_repairs_total{part="link"} ', 'meshwg_http_answers_total{status="500"} '
NEXT_WEB = ("process_start_time_seconds 5.0", "process_start_time_seconds 6.0")


def event(words: str, level: str = "error", **facts: str) -> str:
    return json.dumps({"event": words, "level": level, **facts}) + "\n"


NEXT_HUB = event("hub starts", "info")


class Reports:
    """Log, metrics and bad ends of a service.

    Attributes:
        later: called with the time whenever the watch waits.
    """

    def __init__(self) -> None:
        self.log = NEXT_HUB + "MeshWG is up\n"
        self.metrics = START
        self.ends: list[str] = []
        self.answers = True
        self.clock = ModuleTime()
        self.later: Callable[[float], None] = lambda _: None
        self.watch = FaultWatch(
            lambda: self.log, self.read_metrics, lambda: self.ends, lambda: self.clock.now, self._pause
        )

    def _pause(self, seconds: float) -> None:
        self.clock.sleep(seconds)
        self.later(self.clock.now)

    def read_metrics(self) -> str:
        if not self.answers:
            raise ConnectionError
        return self.metrics

    def count(self, name: str, value: float) -> None:
        """Sets a counter."""
        self.metrics = self.counted(name, value)

    def counted(self, name: str, value: float) -> str:
        """Returns the metrics with another value of a counter."""
        return "".join(
            f"{name}{value}\n" if line.startswith(name) else line for line in self.metrics.splitlines(keepends=True)
        )

    def scenario(self, log: str = "", metrics: str | None = None, *announced: str) -> None:
        with self.watch.without_faults(announced):
            self.log += log
            self.metrics = self.metrics if metrics is None else metrics
