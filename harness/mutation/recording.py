"""Pytest plugin that records the first failure of a run, costs of tests, and the lines that they run."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence

import coverage
import pytest

from harness.mutation.outcome import Failure, Lines
from harness.paths import ROOT

_BRIEF = 300


class Recorder:
    """Records one run of pytest; to be made before the product is imported.

    Args:
        recorded: files whose lines are recorded, relative to the repository; none saves the time for it.

    Attributes:
        passed: number of tests that passed.
        failure: the first failure; None if there was none.
        costs: processor time of each test in seconds.
    """

    def __init__(self, recorded: Sequence[str] = ()) -> None:
        self.passed = 0
        self.failure: Failure | None = None
        self.costs: dict[str, float] = {}
        self._coverage: coverage.Coverage | None = None
        if recorded:
            files = [str(ROOT / each) for each in recorded]
            self._coverage = coverage.Coverage(data_file=None, include=files, config_file=False)
            self._coverage.start()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Attributes lines and processor time to a test."""
        if self._coverage is not None:
            self._coverage.switch_context(item.nodeid)
        start = time.process_time()
        yield
        self.costs[item.nodeid] = round(time.process_time() - start, 3)
        if self._coverage is not None:
            self._coverage.switch_context("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Counts the tests that passed."""
        self.passed += report.when == "call" and report.passed

    def pytest_exception_interact(self, node: pytest.Item | pytest.Collector, call: pytest.CallInfo[None]) -> None:
        """Keeps the first failure of a test or an import."""
        if self.failure is None and call.excinfo is not None:
            words = " ".join(call.excinfo.exconly(tryshort=True).split())[:_BRIEF]
            self.failure = Failure(node.nodeid, call.excinfo.type.__name__, words)

    def lines(self) -> Lines:
        """Returns the tests by line, so far."""
        if self._coverage is None:
            return {}
        self._coverage.stop()
        data = self._coverage.get_data()
        found: Lines = defaultdict(dict)
        for file in data.measured_files():
            path = file.removeprefix(f"{ROOT}/")
            for line, tests in data.contexts_by_lineno(file).items():
                found[path][line] = sorted(filter(None, tests))
        return found
