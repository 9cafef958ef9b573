"""Pytest plugin for tests of the gate's plugin: runs scenarios that a test writes."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.gate import results
from harness.gate.results import ScenarioResult

Gate = Callable[..., "Run"]

HEAD = """
import pytest
from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive, Refuted
from netlab import NothingArrived
claim = pytest.mark.claim
"""


class Run:
    """One run of scenarios."""

    def __init__(self, done: pytest.RunResult, file: Path) -> None:
        self.code = int(done.ret)
        self.output = done.stdout.str() + done.stderr.str()
        self.counts = done.parseoutcomes() if self.code <= 1 else {}
        self.outcomes = {each.name: each for each in results.decode(file.read_bytes()).scenarios}

    @property
    def verdicts(self) -> dict[str, str]:
        """Verdicts by scenario."""
        return {name: each.verdict for name, each in self.outcomes.items()}

    @property
    def only(self) -> ScenarioResult:
        """Result of the only scenario."""
        (found,) = self.outcomes.values()
        return found


@pytest.fixture
def gate(pytester: pytest.Pytester) -> Gate:
    """Returns a function that runs modules of scenarios."""
    pytester.makeini("[pytest]\naddopts = --strict-markers\nmarkers = claim(id): what it proves or refutes\n")

    def run(module: str, *options: str, **others: str) -> Run:
        pytester.makepyfile(
            **{name: HEAD + textwrap.dedent(text) for name, text in {"test_it": module, **others}.items()}
        )
        file = pytester.path / "results.json"
        # As the gate does: a run may end before it writes any.
        file.touch()
        done = pytester.runpytest_inprocess(
            "-p",
            "harness.gate.plugin",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
            f"--results={file}",
            *options,
            no_reraise_ctrlc=True,
        )
        return Run(done, file)

    return run
