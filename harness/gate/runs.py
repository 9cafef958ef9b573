"""Runs of scenarios: pytest processes, each in a sandbox of its own with its own lab and service.

Here they are programs; `forked_runs` makes those of a service in a lab.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import reduction
from pathlib import Path
from typing import IO, Any

from harness import variables
from harness.gate import results
from harness.gate.plugin import SCENARIO_NUMBER
from harness.gate.results import ScenarioResult
from harness.paths import ROOT, SCENARIOS
from harness.subject.live import Live
from harness.world.conditions import CHOICES, draw_store
from netlab import sandbox

DEADLINES_S = {"quick": 900.0, "full": 3600.0}
"""Seconds after which a run is ended, by profile."""

_MOST_SCENARIOS = 4096
_ALL_PASSED, _SOME_FAILED = 0, 1
"""Exit codes of pytest after running all tests."""
_MEANINGS = {
    _SOME_FAILED: "a test failed, though each scenario is proven",
    2: "it was interrupted, or could not collect the scenarios",
    3: "an error of its own",
    4: "it was called in a wrong way",
    5: "it found no scenario",
}


@dataclass(frozen=True)
class RunOptions:
    """Options of a run.

    Attributes:
        claim: id of the claim whose scenarios run; None for all.
        profile: number of tries in scenarios: quick or full.
        seed: seed of the run's choices.
        wireguard: WireGuard implementation of the lab's own service.
        patience: factor by which this machine is slower than usual; lengthens the deadlines.
        live: service that runs elsewhere; None for the lab's own.
        outside: addresses outside of the tunnels, of `harness.world.conditions`; None to draw them for each scenario.
        loss: handshake messages that get lost; None to draw them for each scenario.
        reorder: messages that others overtake; None to draw them for each scenario.
        store: store of the lab's own service; None to draw it for each run.
    """

    claim: str | None = None
    profile: str = "quick"
    seed: int = 0
    wireguard: str = "auto"
    patience: float = 1.0
    live: Live | None = None
    outside: str | None = None
    loss: str | None = None
    reorder: str | None = None
    store: str | None = None

    def stored_as_drawn(self, run: str) -> RunOptions:
        """Returns these options with a store, drawn by the seed and the name of the run if they have none."""
        return self if self.store is not None else replace(self, store=draw_store(self.seed, run))

    @property
    def deadline_s(self) -> float:
        """Longest time of the run; seconds."""
        return DEADLINES_S[self.profile] * self.patience


_CRASH = "Fatal Python error"
"""First words in the report of a crashed interpreter (`faulthandler`)."""


@dataclass(frozen=True)
class RunResult:
    """Result of a run.

    Attributes:
        outcomes: results of its scenarios.
        complaint: what is wrong with the run itself, in one line, and then the output of pytest; "" if nothing is.
        hub_wireguard: name and version of the hub's WireGuard implementation; "" if no hub came up.
    """

    outcomes: tuple[ScenarioResult, ...]
    complaint: str
    hub_wireguard: str = ""

    @property
    def problem(self) -> str:
        """The complaint in one line, which names no file of this machine; "" if there is none."""
        return self.complaint.partition("\n")[0]

    @property
    def excerpt(self) -> str:
        """End of the complaint, or for a crashed interpreter, the beginning of its report."""
        crash = self.complaint.find(_CRASH)
        return self.complaint[-2000:] if crash < 0 else self.complaint[crash : crash + 4000]

    @property
    def ran_nothing(self) -> bool:
        """True if pytest ended without errors, and started none of the scenarios."""
        return bool(self.outcomes) and not self.complaint and not any(each.was_run for each in self.outcomes)


@dataclass(frozen=True)
class Shared:
    """Descriptors that runs share. A process of `multiprocessing` that gets this value has copies of its own.

    Attributes:
        events: pipe for events.
        evidence: folder for the evidence of failed scenarios.
        numbers: pipe of `scenario_numbers`; None for a run that shares no scenarios.
    """

    events: int
    evidence: int
    numbers: int | None = None

    @property
    def descriptors(self) -> list[int]:
        """Descriptors that a program has to inherit."""
        return [each for each in (self.events, self.evidence, self.numbers) if each is not None]

    @property
    def arguments(self) -> list[str]:
        """Arguments of pytest that name the descriptors of this process."""
        numbers = [] if self.numbers is None else [f"--numbers={self.numbers}"]
        return [f"--events={self.events}", f"--evidence=/dev/fd/{self.evidence}", *numbers]

    def __reduce__(self) -> tuple[Any, ...]:
        numbers = None if self.numbers is None else reduction.DupFd(self.numbers)
        return _received, (reduction.DupFd(self.events), reduction.DupFd(self.evidence), numbers)


def _received(events: Any, evidence: Any, numbers: Any) -> Shared:
    return Shared(events.detach(), evidence.detach(), None if numbers is None else numbers.detach())


@contextmanager
def scenario_numbers() -> Iterator[int]:
    """Opens a pipe of scenario numbers, from which several runs draw, so that they share the scenarios (``--numbers``).

    Yields:
        The descriptor to read from.
    """
    read, write = os.pipe()
    try:
        os.write(write, b"".join(SCENARIO_NUMBER.pack(number) for number in range(_MOST_SCENARIOS)))
        os.close(write)
        yield read
    finally:
        os.close(read)


def run(options: RunOptions, *arguments: str, shared: Shared | None = None) -> RunResult:
    """Runs scenarios until they end, or until the deadline. The calling thread has to outlive the run.

    Args:
        options: options of the run.
        arguments: further arguments for pytest.
        shared: descriptors that it shares with others.
    """
    named, inherited = ([], []) if shared is None else (shared.arguments, shared.descriptors)
    live = () if options.live is None else options.live.descriptors
    with tempfile.TemporaryFile() as file:
        results_file = Path(f"/dev/fd/{file.fileno()}")
        pytest = [sys.executable, "-m", "pytest", *pytest_arguments(options, results_file), *named, *arguments]
        try:
            done = subprocess.run(
                sandbox.command(pytest, die_with_parent=True),
                cwd=ROOT,
                env=environment(),
                pass_fds=[file.fileno(), *inherited, *live],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=options.deadline_s,
            )
        except subprocess.TimeoutExpired as error:
            return RunResult((), f"it was ended after {error.timeout:.0f} s")
        return result_of(done.returncode, done.stdout, file)


def result_of(status: int, output: str, file: IO[bytes]) -> RunResult:
    """Returns the result of a pytest process that has ended.

    Args:
        status: exit code.
        output: output of the process.
        file: file with the results of its scenarios.
    """
    file.seek(0)
    found = results.decode(file.read())
    wrong = wrong_with(status, found.scenarios)
    return RunResult(tuple(found.scenarios), f"{wrong}\n{output}" if wrong else "", found.hub_wireguard)


def wrong_with(status: int, scenarios: Sequence[ScenarioResult]) -> str:
    """Tells what a pytest process complained of beyond its scenarios, such as an error in its own hooks.

    Args:
        status: exit code; -n after signal n.
        scenarios: results of its scenarios.

    Returns:
        One line; "" if its scenarios say everything.
    """
    has_failed = any(each.was_run and not each.is_proven for each in scenarios)
    if status == _ALL_PASSED or (status == _SOME_FAILED and has_failed):
        return ""
    meaning = _MEANINGS.get(status)
    return f"pytest ended with status {status}" + ("" if meaning is None else f": {meaning}")


def pytest_arguments(options: RunOptions, results_file: Path) -> list[str]:
    """Returns the arguments of a run's pytest.

    Args:
        options: options of the run.
        results_file: file for the results.
    """
    claim = [] if options.claim is None else [f"--claim={options.claim}"]
    service = options.live
    live = [] if service is None else [f"--live={service.to_text()}"]
    chosen = {name: getattr(options, name) for name in CHOICES}
    conditions = [f"--{name}={value}" for name, value in chosen.items() if value is not None]
    return [
        str(SCENARIOS),
        "--quiet",
        "--no-header",
        "--tb=no",
        "-p",
        "no:cacheprovider",
        "-p",
        "pytest_timeout",
        f"--results={results_file}",
        f"--profile={options.profile}",
        f"--seed={options.seed}",
        f"--hub-wireguard={options.wireguard}",
        f"--patience={options.patience}",
        f"--timeout={options.deadline_s:.0f}",
        *claim,
        *live,
        *conditions,
    ]


def environment() -> dict[str, str]:
    """Returns the environment of a run."""
    return {
        # Settings of a service on this machine must not reach the run's.
        **variables.of_tests("MESHWG_"),
        # Plugins that are installed for other tests take longer to import than everything that a run needs.
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
