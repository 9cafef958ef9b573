"""The run of another project's pytest on its own hub: what each claim came to, and a transcript of it all."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.gate import plugin, transcripts
from harness.gate.gate import GateRun, Plan
from harness.gate.runs import RunOptions
from harness.gate.summary import summary
from harness.world import evidence
from netlab import sandbox
from reports.attest import AttestationError, Signer

_BEGUN = pytest.StashKey[float]()
_SIGNER = pytest.StashKey[Signer]()
_EVIDENCE = pytest.StashKey[Path]()
_WRITTEN = pytest.StashKey[Path]()
_SELECTING = ("scenario", "turns", "exclusive", "ignore", "ignore_glob")
_WHOLE = "--transcript is of all scenarios, or of all of one --claim"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds ``--transcript``."""
    parser.getgroup("gate").addoption(
        "--transcript", type=Path, metavar="DIR", help="write the run's signed transcript into a folder below this one"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Sees to it that there will be a transcript: who signs it, and what it is of.

    Raises:
        pytest.UsageError: the key can't be read, only part of a claim's scenarios is wanted, or pytest-xdist is to
            share them among processes that know nothing of each other's.
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
        config.stash[_SIGNER] = Signer.find()
    except AttestationError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """A claim is judged by all of its scenarios: a transcript without some of them would say too much."""
    for item in items:
        marker, claim = item.get_closest_marker("claim"), item.config.getoption("--claim")
        if item.config.getoption("--transcript") and marker is not None and claim in (None, marker.args[0]):
            raise pytest.UsageError(f"{_WHOLE}, and {item.name} is left out.")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Has a place for evidence, where a transcript is to be written and nobody named one."""
    config = session.config
    if _SIGNER in config.stash and config.getoption("--evidence") is None and not config.option.collectonly:
        config.stash[_EVIDENCE] = config.option.evidence = evidence.new_folder(config.getoption("--transcript"))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Writes the transcript, whatever the scenarios came to; there is none where none could run."""
    config = session.config
    if _SIGNER not in config.stash or config.option.collectonly or exitstatus == pytest.ExitCode.USAGE_ERROR:
        return
    # The look for an implementation makes a link for a moment.
    if sandbox.inside():
        made = transcripts.transcript_of(_run(config))
        out, signer = config.getoption("--transcript"), config.stash[_SIGNER]
        config.stash[_WRITTEN] = transcripts.publish(made, out, signer, config.getoption("--evidence"))


def _run(config: pytest.Config) -> GateRun:
    options = RunOptions(
        claim=config.getoption("--claim"),
        profile=config.getoption("--profile"),
        seed=config.getoption("--seed"),
        patience=config.getoption("--patience"),
    )
    begun = config.stash[_BEGUN]
    outcomes = tuple(plugin.outcomes(config))
    return GateRun(Plan(options), begun, time.time() - begun, outcomes, (), hub=config.getoption("--hub"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Tells what each claim came to, and where the transcript is."""
    terminalreporter.section("claims")
    for line in summary(plugin.outcomes(config)):
        terminalreporter.line(line)
    if _WRITTEN in config.stash:
        terminalreporter.line(f"transcript: {config.stash[_WRITTEN]}/transcript.html")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Evidence that nobody named a place for is in the transcript's folder."""
    if _EVIDENCE in config.stash:
        shutil.rmtree(config.stash[_EVIDENCE], ignore_errors=True)
