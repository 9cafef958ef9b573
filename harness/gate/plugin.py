"""The pytest plugin that scenarios run under: options, fixtures, verdicts, evidence."""

from __future__ import annotations

import os
import pkgutil
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from harness.gate import failures, results
from harness.gate.claims import BY_ID
from harness.judging.record import Record
from harness.judging.verdicts import Refuted
from harness.subject.kinds import ForeignHub, OwnService, RemoteService
from harness.subject.live import Live
from harness.subject.service import Broken
from harness.subject.subject import Site, Subject
from harness.target import Target
from harness.world import evidence
from harness.world.world import World
from netlab import sandbox
from reports.schema import Verdict

_RECORD = pytest.StashKey[Record]()
_OUTCOME = pytest.StashKey[results.ScenarioResult]()
_OUTCOMES = pytest.StashKey[list[results.ScenarioResult]]()
_WORLD = pytest.StashKey[World]()
_HUB_WIREGUARD = pytest.StashKey[str]()

TURN = struct.Struct("=I")
"""A scenario's place in the collection, as a process that shares the scenarios with others draws it from a pipe."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The gate's own options."""
    group = parser.getgroup("gate")
    group.addoption("--results", type=Path, help="write the scenarios' results to this file")
    group.addoption("--evidence", type=Path, help="folder for what a failed scenario leaves")
    group.addoption("--claim", help="run only scenarios of this claim")
    group.addoption("--scenario", help="run only the scenario of this name")
    group.addoption("--turns", type=int, help="open file to draw the places of the scenarios from that are to be run")
    group.addoption(
        "--exclusive",
        choices=("skip", "only"),
        help="leave scenarios that need the machine for themselves to another run, or run no others",
    )
    group.addoption("--progress", type=int, help="open file to tell what runs, a line each")
    group.addoption("--sabotage", help="put this break into the service")
    group.addoption("--profile", default="quick", choices=("quick", "full"))
    group.addoption("--seed", type=int, default=0)
    group.addoption("--hub-wireguard", default="auto")
    group.addoption("--patience", type=float, default=1.0, help="how many times slower than usual the machine is")
    group.addoption("--live", help="service that somebody else runs, as harness.subject.live.Live tells it")


def pytest_configure(config: pytest.Config) -> None:
    """Tells pytest of the marker, whatever project the run is one of, and looks whether there is such a hub."""
    config.addinivalue_line("markers", "claim(id): the published claim that a scenario proves or refutes")
    config.addinivalue_line("markers", "restarts: the scenario stops and starts the service")
    config.addinivalue_line("markers", "exclusive: the gate runs nothing beside the scenario")
    if _hub(config) is not None and (config.getoption("--live") or config.getoption("--sabotage")):
        raise pytest.UsageError("--hub is another hub: --live and --sabotage are for the service.")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leaves modules without the one scenario that is asked for alone: loading them all takes as long as running it.

    Which they are is a matter of text, so that none is loaded for the answer.
    """
    name = config.getoption("--scenario")
    if name is None or not collection_path.name.startswith("test_") or collection_path.suffix != ".py":
        return None
    return None if f"def {name}(" in collection_path.read_text() else True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keeps the scenarios of the wanted claim and name; a scenario of no published claim is a mistake.

    Those that restart the service come first: later, each start would bring back what all others have left in it.
    """
    claim, name = config.getoption("--claim"), config.getoption("--scenario")
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        marker = item.get_closest_marker("claim")
        if marker is not None and marker.args[0] not in BY_ID:
            raise pytest.UsageError(f"{item.nodeid} speaks of a claim that is not published: {marker.args[0]}")
        of_claim = claim is None or (marker is not None and marker.args[0] == claim)
        (kept if of_claim and name in (None, function_name(item)) else left).append(item)
    if left:
        config.hook.pytest_deselected(items=left)
    items[:] = sorted(kept, key=lambda item: item.get_closest_marker("restarts") is None)


def function_name(item: pytest.Item) -> str:
    """A scenario's name without the parameters of this one of its items."""
    return str(getattr(item, "originalname", None) or item.name)


def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Run what ``--turns`` and ``--exclusive`` leave to this process.

    With ``--turns``, these are the scenarios whose turn it draws; others draw from the same pipe.
    """
    turns, exclusive = session.config.getoption("--turns"), session.config.getoption("--exclusive")
    if (turns is None and exclusive is None) or session.testsfailed:
        return None
    wanted = [item for item in session.items if exclusive is None or _is_exclusive(item) == (exclusive == "only")]
    own = iter(wanted) if turns is None else _drawn(turns, wanted)
    item = next(own, None)
    while item is not None:
        # Drawn before the one in hand is run: pytest wants to know what may stay set up for the next.
        following = next(own, None)
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        item = following
    return True


def _is_exclusive(item: pytest.Item) -> bool:
    return item.get_closest_marker("exclusive") is not None


def _drawn(turns: int, items: list[pytest.Item]) -> Iterator[pytest.Item]:
    while data := os.read(turns, TURN.size):
        (place,) = TURN.unpack(data)
        if place >= len(items):
            return
        yield items[place]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tells what runs now, and has the service run that another scenario left down."""
    _report(item, "runs")
    if _WORLD in item.config.stash:
        item.config.stash[_WORLD].subject.ensure_running()


def _report(item: pytest.Item, word: str, why: str | None = None) -> None:
    marker, progress = item.get_closest_marker("claim"), item.config.getoption("--progress")
    if marker is not None and progress is not None:
        os.write(progress, f"{results.with_reason(f'{word} {item.name} ({marker.args[0]})', why)}\n".encode())


@pytest.fixture(scope="session")
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """The lab with the service in it, for all scenarios of the run."""
    if not sandbox.inside():
        pytest.exit("Scenarios run in a sandbox: use `./meshwg gate`, or python -m netlab.sandbox.", returncode=4)
    # Streams run in threads of this process; the default would let one of them keep the others waiting for 5 ms.
    sys.setswitchinterval(0.0005)
    config = request.config
    with World(
        _subject(config),
        seed=config.getoption("--seed"),
        patience=config.getoption("--patience"),
    ) as made:
        config.stash[_WORLD] = made
        config.stash[_HUB_WIREGUARD] = made.subject.wireguard()
        yield made


def _subject(config: pytest.Config) -> Callable[[Site], Subject]:
    hub, live = _hub(config), config.getoption("--live")
    if hub is not None:
        return partial(ForeignHub, make=hub)
    if live is not None:
        return partial(RemoteService, live=Live.from_text(live))
    return partial(OwnService, wireguard=config.getoption("--hub-wireguard"), broken=_broken(config))


def _broken(config: pytest.Config) -> Broken | None:
    sabotage = config.getoption("--sabotage")
    return None if sabotage is None else Broken(("harness.sabotage", sabotage), partial(_run_broken, sabotage))


def _run_broken(sabotage: str, arguments: Sequence[str]) -> None:
    from harness.sabotage import forks  # the appliance, which only the forked process has anything to do with

    forks.command_line(sabotage, arguments)


def _hub(config: pytest.Config) -> type[Target] | None:
    name = config.getoption("--hub", None)
    if name is None:
        return None
    try:
        found = pkgutil.resolve_name(name)
    except (ValueError, ImportError, AttributeError) as error:
        raise pytest.UsageError(f"--hub takes MODULE:CLASS, and {name} can't be had: {error}") from error
    if not isinstance(found, type):
        raise pytest.UsageError(f"--hub takes MODULE:CLASS, and {name} is no class.")
    return found


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Whoever else's hub it is gets rid of what the scenario signed up."""
    if _WORLD in item.config.stash:
        item.config.stash[_WORLD].delete_organizations()


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Record:
    """What this scenario measures."""
    kept: Record = request.node.stash.setdefault(_RECORD, Record())
    return kept


@pytest.fixture
def profile(request: pytest.FixtureRequest) -> str:
    """How long this run may take: quick or full."""
    return str(request.config.getoption("--profile"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Turns an outcome into a verdict; a failure leaves evidence while the lab is still there."""
    yield
    marker = item.get_closest_marker("claim")
    if marker is None or (call.when != "call" and call.excinfo is None):
        return
    if _OUTCOME in item.stash and not item.stash[_OUTCOME].is_proven:
        return
    config, error = item.config, call.excinfo.value if call.excinfo is not None else None
    record = item.stash.setdefault(_RECORD, Record())
    item.stash[_OUTCOME] = results.ScenarioResult(
        name=item.name,
        title=_title(item),
        claim=marker.args[0],
        verdict=_verdict(error),
        seconds=round(call.duration, 3),
        measured=record.measured,
        controls=record.controls,
        failure=None if error is None else failures.words(error),
        evidence=[] if error is None else _leaves(item, error),
        seed=config.getoption("--seed"),
        exhibits=record.exhibits(),
    )
    # After each scenario, so that a crash of the interpreter takes only the one that runs.
    _write_results(item.session)
    _report(item, item.stash[_OUTCOME].verdict, item.stash[_OUTCOME].failure)
    if config.getoption("--sabotage") and isinstance(error, Refuted):
        item.session.shouldfail = "the break was noticed"


def _leaves(item: pytest.Item, error: BaseException) -> list[str]:
    """Writes what a failure leaves; returns the files' names. Where there is no place for it, the verdict stands."""
    config, into = item.config, item.config.getoption("--evidence")
    if into is None:
        return []
    try:
        return evidence.collect(into / item.name, failures.in_full(error), config.stash.get(_WORLD, None))
    except OSError as lost:
        _report(item, "unkept", f"its evidence: {lost}")
        return []


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the results for the gate."""
    session.config.stash[_OUTCOMES] = _write_results(session)


def _write_results(session: pytest.Session) -> list[results.ScenarioResult]:
    """Write what the scenarios came to so far, if there is a file for it, and return it."""
    config = session.config
    so_far = [
        item.stash.get(_OUTCOME, None) or _not_run(item, marker.args[0])
        for item in session.items
        if (marker := item.get_closest_marker("claim")) is not None and marker.args[0] in BY_ID
    ]
    if config.getoption("--results") is not None:
        results.write(config.getoption("--results"), results.Results(so_far, config.stash.get(_HUB_WIREGUARD, "")))
    return so_far


def outcomes(config: pytest.Config) -> list[results.ScenarioResult]:
    """What the scenarios of a run that ended came to; none if it ended before it had any."""
    return config.stash.get(_OUTCOMES, [])


def _not_run(item: pytest.Item, claim: str) -> results.ScenarioResult:
    title, verdict = _title(item), Verdict.INCONCLUSIVE
    return results.ScenarioResult(item.name, verdict, 0.0, {}, title, claim=claim, failure=results.NOT_RUN)


def _verdict(error: BaseException | None) -> Verdict:
    if error is None:
        return Verdict.PROVEN
    return Verdict.REFUTED if isinstance(error, Refuted) else Verdict.INCONCLUSIVE


def _title(item: pytest.Item) -> str:
    document = str(getattr(getattr(item, "function", None), "__doc__", "") or item.name)
    return " ".join(document.split("\n\n")[0].split())
