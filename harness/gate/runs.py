"""Runs of scenarios: each is a pytest process with a lab and a service of its own, in a sandbox of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness.gate import results
from harness.gate.plugin import TURN
from harness.gate.results import ScenarioResult
from harness.paths import CACHE, ROOT, SCENARIOS
from harness.subject.live import Live
from netlab import sandbox

DEADLINES_S = {"quick": 900.0, "full": 3600.0}
"""Seconds after which a run is ended, by profile."""

_MOST_SCENARIOS = 4096
_ENDED_WELL = (0, 1)
"""Exit codes of pytest: all passed, some failed."""


@dataclass(frozen=True)
class RunOptions:
    """What every run of a gate is told.

    Attributes:
        claim: only its scenarios; all if None.
        profile: how often scenarios try: quick or full.
        seed: makes the run's choices.
        live: the service, if it is not one of the lab's own.
        patience: how many times slower than a usual machine this one is; a run, and a start of the service, may take so
            much longer.
    """

    claim: str | None = None
    profile: str = "quick"
    seed: int = 0
    wireguard: str = "auto"
    patience: float = 1.0
    live: Live | None = None

    @property
    def deadline_s(self) -> float:
        """How long a run may take."""
        return DEADLINES_S[self.profile] * self.patience


_CRASH = "Fatal Python error"
"""Begins the report of a crashed interpreter (`faulthandler`)."""


@dataclass(frozen=True)
class Finished:
    """What a run came to.

    Attributes:
        complaint: what pytest wrote, where it ended in another way than with its scenarios' outcomes; empty otherwise.
        hub_wireguard: as in `Results`.
    """

    outcomes: tuple[ScenarioResult, ...]
    complaint: str
    hub_wireguard: str = ""

    @property
    def excerpt(self) -> str:
        """The end of the complaint; of a crashed interpreter, the beginning of its report, which names the place."""
        crash = self.complaint.find(_CRASH)
        return self.complaint[-2000:] if crash < 0 else self.complaint[crash : crash + 4000]

    @property
    def left_all(self) -> bool:
        """True if it ended well and ran none of its scenarios."""
        return (
            bool(self.outcomes)
            and not self.complaint
            and all(each.failure == results.NOT_RUN for each in self.outcomes)
        )


@contextmanager
def turns() -> Iterator[int]:
    """An open file from which runs draw whose turn it is, so that they share the scenarios: see ``--turns``."""
    read, write = os.pipe()
    try:
        os.write(write, b"".join(TURN.pack(number) for number in range(_MOST_SCENARIOS)))
        os.close(write)
        yield read
    finally:
        os.close(read)


def run(options: RunOptions, *arguments: str, inherited: Sequence[int] = ()) -> Finished:
    """Runs scenarios until they end, or their time does. Call it from a thread that outlives it.

    Args:
        arguments: more of them for pytest.
        inherited: open files that the arguments name. Temporary files of other sandboxes can't be seen in this one.
    """
    live = () if options.live is None else options.live.descriptors
    with tempfile.TemporaryFile() as file:
        target = Path(f"/dev/fd/{file.fileno()}")
        pytest = [sys.executable, "-m", "pytest", *pytest_arguments(options, target), *arguments]
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
            return Finished((), f"It was ended after {error.timeout:.0f} s.")
        return finished(done.returncode, done.stdout, file)


def finished(status: int, output: str, file: IO[bytes]) -> Finished:
    """What a run came to, by its exit status, what it printed, and the file with its results."""
    file.seek(0)
    told = results.decode(file.read())
    return Finished(tuple(told.scenarios), "" if status in _ENDED_WELL else output, told.hub_wireguard)


def pytest_arguments(options: RunOptions, target: Path) -> list[str]:
    """What a run's pytest is told, with the file for its results."""
    claim = [] if options.claim is None else [f"--claim={options.claim}"]
    service = options.live
    live = [] if service is None else [f"--live={service.to_text()}"]
    return [
        str(SCENARIOS),
        "--quiet",
        "--no-header",
        "--tb=no",
        "-p",
        "no:cacheprovider",
        "-p",
        "pytest_timeout",
        f"--results={target}",
        f"--profile={options.profile}",
        f"--seed={options.seed}",
        f"--hub-wireguard={options.wireguard}",
        f"--patience={options.patience}",
        f"--timeout={options.deadline_s:.0f}",
        *claim,
        *live,
    ]


def environment() -> dict[str, str]:
    """Of a run."""
    # Settings of an operator on this machine are none of the run's.
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MESHWG_")}
    return {
        **kept,
        "HYPOTHESIS_STORAGE_DIRECTORY": str(CACHE / "hypothesis"),
        # Those that are installed for other tests take longer to load than all that a run needs.
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
