"""Pytest plugin of scenarios: options, fixtures, verdicts, evidence."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from harness.events.teller import Pipe, Teller
from harness.gate import failures, results
from harness.gate.claims import BY_ID
from harness.gate.subjects import hub_of, store_of, subject_factory
from harness.judging.record import Record
from harness.judging.verdicts import Refuted
from harness.sabotage import catalogue
from harness.subject.kinds import OwnService
from harness.world import evidence
from harness.world.conditions import LOSS, OUTSIDE, REORDER, STORES, draw
from harness.world.person import Person, new_owner
from harness.world.world import World
from netlab import sandbox
from reports.events.format import Note, clipped
from reports.schema import Verdict

_RECORD = pytest.StashKey[Record]()
_OUTCOME = pytest.StashKey[results.ScenarioResult]()
_OUTCOMES = pytest.StashKey[list[results.ScenarioResult]]()
_KEPT = pytest.StashKey[list[pytest.Item]]()
_WORLD = pytest.StashKey[World]()
_PIPE = pytest.StashKey[Pipe]()
_CONDITIONS = pytest.StashKey[dict[str, str]]()
_HUB_WIREGUARD = pytest.StashKey[str]()

SCENARIO_NUMBER = struct.Struct("=I")
"""Encoding of a scenario's number in the pipe of ``--numbers``."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the gate's options."""
    group = parser.getgroup("gate")
    group.addoption("--results", type=Path, help="write the scenarios' results to this file")
    group.addoption("--evidence", type=Path, help="folder for the evidence of failed scenarios")
    group.addoption("--claim", help="run only scenarios of this claim")
    group.addoption("--scenario", action="append", help="run only the scenarios of these names; repeatable")
    group.addoption("--numbers", type=int, help="descriptor of a pipe to draw the numbers of scenarios to run from")
    group.addoption(
        "--exclusive",
        choices=("skip", "only"),
        help="skip scenarios that nothing may run beside, or run only these",
    )
    group.addoption("--events", type=int, help="descriptor of a pipe for events, which must not block")
    group.addoption("--sabotage", help="id of the sabotage to put into the service")
    group.addoption("--profile", default="quick", choices=("quick", "full"))
    group.addoption("--seed", type=int, default=0)
    group.addoption("--hub-wireguard", default="auto")
    group.addoption("--outside", choices=OUTSIDE, help="addresses outside of the tunnels; drawn if not given")
    group.addoption("--store", choices=STORES, help="store of the lab's own service; drawn if not given")
    group.addoption("--loss", choices=LOSS, help="handshake messages that get lost; drawn if not given")
    group.addoption("--reorder", choices=REORDER, help="messages that others overtake; drawn if not given")
    group.addoption("--patience", type=float, default=1.0, help="factor by which the machine is slower than usual")
    group.addoption("--live", help="service that others run: text of harness.subject.live.Live")


def pytest_configure(config: pytest.Config) -> None:
    """Registers the markers, and checks the options about the hub."""
    config.addinivalue_line("markers", "claim(id): published claim that the scenario tests")
    config.addinivalue_line("markers", "restarts: scenario that stops and starts the service")
    config.addinivalue_line("markers", "announces(*names): faults that the scenario provokes, as the hub reports them")
    config.addinivalue_line("markers", "exclusive: scenario that nothing may run beside")
    config.addinivalue_line("markers", "conditions(**fixed): conditions without which the scenario shows nothing")
    config.addinivalue_line("markers", "full: scenario or test of the full profile alone")
    config.stash[_PIPE] = Pipe(config.getoption("--events"))
    if hub_of(config) is not None and (config.getoption("--live") or config.getoption("--sabotage")):
        raise pytest.UsageError("--hub is another hub: --live and --sabotage are for the service.")
    if config.getoption("--sabotage") is not None:
        try:
            catalogue.check(config.getoption("--sabotage"))
        except ValueError as error:
            raise pytest.UsageError(str(error)) from error


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Ignores modules whose text does not define the scenario of ``--scenario``, since imports take long."""
    names = config.getoption("--scenario")
    if names is None or not collection_path.name.startswith("test_") or collection_path.suffix != ".py":
        return None
    text = collection_path.read_text()
    return None if any(f"def {name}(" in text for name in names) else True


def is_of_profile(item: pytest.Item) -> bool:
    """Tells whether a scenario belongs to the run's profile."""
    return item.config.getoption("--profile") == "full" or item.get_closest_marker("full") is None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keeps the scenarios of the wanted claim, name and profile, those that restart the service first.

    Later restarts would take longer, since a start restores the organizations of all scenarios before.

    Raises:
        pytest.UsageError: a scenario names a claim that is not published.
    """
    claim, names = config.getoption("--claim"), config.getoption("--scenario")
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        marker = item.get_closest_marker("claim")
        if marker is not None and marker.args[0] not in BY_ID:
            raise pytest.UsageError(f"{item.nodeid} names a claim that is not published: {marker.args[0]}")
        of_claim = claim is None or (marker is not None and marker.args[0] == claim)
        of_name = names is None or function_name(item) in names
        (kept if of_claim and is_of_profile(item) and of_name else left).append(item)
    if left:
        config.hook.pytest_deselected(items=left)
    items[:] = sorted(kept, key=lambda item: item.get_closest_marker("restarts") is None)
    config.stash[_KEPT] = list(items)
    for item in items:
        _record_of(item).teller.planned()


def function_name(item: pytest.Item) -> str:
    """Returns a scenario's name without parameters."""
    return str(getattr(item, "originalname", None) or item.name)


def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Runs the scenarios that ``--numbers`` and ``--exclusive`` leave to this process.

    With ``--numbers``, it draws their numbers from a pipe that it shares with other processes.
    """
    numbers, exclusive = session.config.getoption("--numbers"), session.config.getoption("--exclusive")
    if (numbers is None and exclusive is None) or session.testsfailed:
        return None
    wanted = [item for item in session.items if exclusive is None or _is_exclusive(item) == (exclusive == "only")]
    own = iter(wanted) if numbers is None else _drawn(numbers, wanted)
    item = next(own, None)
    while item is not None:
        # Drawn in advance, since pytest keeps the fixtures that the next item uses.
        following = next(own, None)
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        item = following
    return True


def _is_exclusive(item: pytest.Item) -> bool:
    return item.get_closest_marker("exclusive") is not None


def _drawn(numbers: int, items: list[pytest.Item]) -> Iterator[pytest.Item]:
    while data := os.read(numbers, SCENARIO_NUMBER.size):
        (place,) = SCENARIO_NUMBER.unpack(data)
        if place >= len(items):
            return
        yield items[place]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tells that the scenario begins, and starts the service if the scenario before left it stopped."""
    if item.get_closest_marker("claim") is not None:
        _record_of(item).teller.begun()
    if _WORLD in item.config.stash:
        item.config.stash[_WORLD].subject.ensure_running()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Makes the scenario's conditions, and watches the hub for faults that it reports of itself meanwhile."""
    if _WORLD not in item.config.stash:
        return (yield)
    _meet_conditions(item)
    announced = [name for marker in item.iter_markers("announces") for name in marker.args]
    world = item.config.stash[_WORLD]
    with world.subject.without_faults(announced):
        outcome = yield
    if _CONDITIONS in item.stash:
        item.stash[_CONDITIONS] |= world.part()
    return outcome


def _meet_conditions(item: pytest.Item) -> None:
    """Draws the conditions of a scenario; a hub that others run has its own."""
    config = item.config
    world = config.stash[_WORLD]
    if not isinstance(world.subject, OwnService):
        return
    wanted = {name: config.getoption(f"--{name}") for name in ("outside", "loss", "reorder")}
    fixed = {name: value for marker in item.iter_markers("conditions") for name, value in marker.kwargs.items()}
    conditions = draw(config.getoption("--seed"), function_name(item), wanted, fixed)
    item.stash[_CONDITIONS] = world.meet(conditions) | {"store": world.subject.store}


def _record_of(item: pytest.Item) -> Record:
    """Returns the record of a scenario, which is made at the first call; a test without a claim tells nobody."""
    if _RECORD not in item.stash:
        marker, pipe = item.get_closest_marker("claim"), item.config.stash[_PIPE]
        teller = Teller() if marker is None else Teller(pipe, marker.args[0], item.name, _title(item))
        item.stash[_RECORD] = Record(teller=teller)
    return item.stash[_RECORD]


@pytest.fixture(scope="session")
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """Lab with the hub in it, for all scenarios of the run."""
    if not sandbox.inside():
        pytest.exit("Scenarios run in a sandbox: use `./meshwg gate`, or python -m netlab.sandbox.", returncode=4)
    # Streams run in threads of this process. By default, a thread may make the others wait for 5 ms.
    sys.setswitchinterval(0.0005)
    config = request.config
    with World(
        subject_factory(config),
        seed=config.getoption("--seed"),
        patience=config.getoption("--patience"),
    ) as made:
        config.stash[_WORLD] = made
        config.stash[_HUB_WIREGUARD] = made.subject.wireguard()
        yield made


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Deletes the organizations of the scenario on a hub that outlives the run."""
    if _WORLD in item.config.stash:
        item.config.stash[_WORLD].delete_organizations()


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Record:
    """Record of this scenario."""
    return _record_of(request.node)


@pytest.fixture
def person(world: World) -> Iterator[Person]:
    """New owner, whose organization is deleted afterwards."""
    with new_owner(world) as owner:
        yield owner


@pytest.fixture
def profile(request: pytest.FixtureRequest) -> str:
    """Profile of this run: quick or full."""
    return str(request.config.getoption("--profile"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Makes a verdict of a test's outcome, and collects evidence of a failure while the lab exists."""
    yield
    marker = item.get_closest_marker("claim")
    if marker is None or (call.when != "call" and call.excinfo is None):
        return
    if _OUTCOME in item.stash and not item.stash[_OUTCOME].is_proven:
        return
    config, error = item.config, call.excinfo.value if call.excinfo is not None else None
    record = _record_of(item)
    item.stash[_OUTCOME] = results.ScenarioResult(
        name=item.name,
        title=_title(item),
        claim=marker.args[0],
        verdict=_verdict(error),
        seconds=round(call.duration, 3),
        measured=record.measured,
        controls=record.controls,
        failure=None if error is None else failures.words(error),
        evidence=[] if error is None else _collect_evidence(item, error),
        seed=config.getoption("--seed"),
        exhibits=record.exhibits(),
        conditions=item.stash.get(_CONDITIONS, {}),
        store=store_of(config),
    )
    # Written after each scenario, so that a crash of the interpreter loses only the running one.
    _write_results(item.session)
    record.teller.ended(item.stash[_OUTCOME].verdict, item.stash[_OUTCOME].seconds, item.stash[_OUTCOME].failure)
    if config.getoption("--sabotage") and isinstance(error, Refuted):
        item.session.shouldfail = "the sabotage was noticed"


def _collect_evidence(item: pytest.Item, error: BaseException) -> list[str]:
    """Writes the evidence of a failure; returns the files' names, none if they can't be written."""
    config, into = item.config, item.config.getoption("--evidence")
    if into is None:
        return []
    try:
        return evidence.collect(into / item.name, failures.in_full(error), config.stash.get(_WORLD, None))
    except OSError as lost:
        config.stash[_PIPE].tell(Note(word="unkept", text=clipped(f"{item.name} ({lost})")))
        return []


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Writes the results for the gate."""
    session.config.stash[_OUTCOMES] = _write_results(session)


def _write_results(session: pytest.Session) -> list[results.ScenarioResult]:
    """Returns the results so far, and writes them to the file of ``--results``, if any."""
    config = session.config
    # What something else left out is missed. Of another project's hub, people may select what they like.
    wanted = config.stash.get(_KEPT, session.items) if hub_of(config) is None else session.items
    so_far = [
        item.stash.get(_OUTCOME, None) or _not_run(item, marker.args[0])
        for item in wanted
        if (marker := item.get_closest_marker("claim")) is not None and marker.args[0] in BY_ID
    ]
    if config.getoption("--results") is not None:
        results.write(config.getoption("--results"), results.Results(so_far, config.stash.get(_HUB_WIREGUARD, "")))
    return so_far


def outcomes(config: pytest.Config) -> list[results.ScenarioResult]:
    """Returns the results of a run that has ended; none if it ended before its first scenario."""
    return config.stash.get(_OUTCOMES, [])


def _not_run(item: pytest.Item, claim: str) -> results.ScenarioResult:
    title, verdict = _title(item), Verdict.INCONCLUSIVE
    is_left = item not in item.session.items
    failure = "It was left out, and by no option of the gate." if is_left else "The run ended before it."
    return results.ScenarioResult(item.name, verdict, 0.0, {}, title, claim=claim, failure=failure, was_run=False)


def _verdict(error: BaseException | None) -> Verdict:
    if error is None:
        return Verdict.PROVEN
    return Verdict.REFUTED if isinstance(error, Refuted) else Verdict.INCONCLUSIVE


def _title(item: pytest.Item) -> str:
    document = str(getattr(getattr(item, "function", None), "__doc__", "") or item.name)
    return " ".join(document.split("\n\n")[0].split())
