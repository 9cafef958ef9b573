"""Pytest plugin of ``--hub``: verdict on each claim, and the transcript of another project's run on its own hub."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.gate import plugin, runs, transcripts
from harness.gate.gate import GateRun
from harness.gate.logged_run import LoggedRun
from harness.gate.plans import GatePlan
from harness.gate.runs import RunOptions
from harness.gate.summary import summary
from harness.world import evidence
from netlab import sandbox
from reports.errors import AttestationError
from reports.keys import Signer
from reports.log.folder import LogError
from reports.schema import Transcript
from reports.tree import TreeError

_BEGUN = pytest.StashKey[float]()
_SIGNER = pytest.StashKey[Signer]()
_EVIDENCE = pytest.StashKey[Path]()
_LOGGED_RUN = pytest.StashKey[LoggedRun]()
_WRITTEN = pytest.StashKey[tuple[Transcript, Path]]()
_SELECTING = ("scenario", "numbers", "exclusive", "ignore", "ignore_glob")
_WHOLE = "--transcript takes all scenarios, or all of one --claim"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds ``--transcript`` and ``--throwaway-key``."""
    group = parser.getgroup("gate")
    group.addoption(
        "--transcript", type=Path, metavar="DIR", help="write the run's signed transcript into a folder below this one"
    )
    group.addoption(
        "--throwaway-key", action="store_true", help="sign it with a key for this run alone, instead of your own"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Checks that the run can have a transcript, and loads the key to sign it with.

    Raises:
        pytest.UsageError: the key can't be read, the options select a part of a claim's scenarios, or pytest-xdist
            would share the scenarios among processes.
    """
    if config.getoption("dist", "no") != "no":
        raise pytest.UsageError(
            "--hub brings one lab up, for one process: leave out pytest-xdist's -n, --dist and --tx."
        )
    config.stash[_BEGUN] = time.time()
    if config.getoption("--transcript") is None:
        return
    if "scenarios" not in config.args or any(config.getoption(name) for name in _SELECTING):
        raise pytest.UsageError(f"{_WHOLE}.")
    try:
        config.stash[_SIGNER] = Signer.for_one_run() if config.getoption("--throwaway-key") else Signer.find()
    except AttestationError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Rejects a selection for a transcript, which needs all scenarios that each claim has in the run's profile."""
    for item in filter(plugin.is_of_profile, items):
        marker, claim = item.get_closest_marker("claim"), item.config.getoption("--claim")
        if item.config.getoption("--transcript") and marker is not None and claim in (None, marker.args[0]):
            raise pytest.UsageError(f"{_WHOLE}, and {item.name} is left out.")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Begins the record of the run if a transcript is wanted, and makes a folder for evidence if no option names one.

    Raises:
        pytest.UsageError: the log of runs can't be used.
    """
    config = session.config
    if _SIGNER not in config.stash or config.option.collectonly or not sandbox.inside():
        return
    out, profile, seed, hub = (config.getoption(name) for name in ("--transcript", "--profile", "--seed", "--hub"))
    try:
        config.stash[_LOGGED_RUN] = LoggedRun.begin(config.stash[_SIGNER], out, profile, seed, hub)
    except (LogError, TreeError) as error:
        raise pytest.UsageError(str(error)) from error
    if config.getoption("--evidence") is None:
        config.stash[_EVIDENCE] = config.option.evidence = evidence.new_folder(config.getoption("--transcript"))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Writes the transcript, unless no scenario could run."""
    config = session.config
    if _LOGGED_RUN not in config.stash or exitstatus == pytest.ExitCode.USAGE_ERROR:
        return
    made = transcripts.transcript_of(_run(config, exitstatus))
    out, evidence_folder = config.getoption("--transcript"), config.getoption("--evidence")
    logged = config.stash[_LOGGED_RUN]
    told, _ = config.stash[_WRITTEN] = logged.write(logged.judge(made), out, evidence_folder)
    if told.problems != made.problems and session.exitstatus == pytest.ExitCode.OK:
        # Every scenario passed, and what was tested changed meanwhile.
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _run(config: pytest.Config, status: int) -> GateRun:
    options = RunOptions(
        claim=config.getoption("--claim"),
        profile=config.getoption("--profile"),
        seed=config.getoption("--seed"),
        patience=config.getoption("--patience"),
    )
    begun = config.stash[_BEGUN]
    outcomes = tuple(plugin.outcomes(config))
    wrong = runs.wrong_with(status, outcomes)
    return GateRun(
        GatePlan(options),
        begun,
        time.time() - begun,
        outcomes,
        (),
        hub=config.getoption("--hub"),
        problems=(f"The run went wrong: {wrong}.",) if wrong else (),
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Prints the verdict on each claim, and the path of the transcript."""
    terminalreporter.section("claims")
    for line in summary(plugin.outcomes(config)):
        terminalreporter.line(line)
    if _WRITTEN in config.stash:
        made, folder = config.stash[_WRITTEN]
        for problem in made.problems:
            terminalreporter.line(problem)
        terminalreporter.line(f"transcript: {folder}/transcript.html")
        terminalreporter.line(config.stash[_LOGGED_RUN].signature(made))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Removes the folder for evidence that this plugin made; the transcript has a copy."""
    if _EVIDENCE in config.stash:
        shutil.rmtree(config.stash[_EVIDENCE], ignore_errors=True)
