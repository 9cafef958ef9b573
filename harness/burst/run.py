"""A burst from its beginning to its end."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Callable, Sequence
from operator import attrgetter
from pathlib import Path

from harness.burst import load
from harness.burst.attempt import Attempt
from harness.burst.clients import Pair
from harness.burst.desk import Desk, Offer
from harness.burst.load import Load
from harness.judging.verdicts import Inconclusive
from harness.world.world import World

_LOOK_EVERY = 1.0
# Nothing that an organization does takes so long: where none ends meanwhile, a process of locust is lost.
_STALL = 600.0
_numbers = itertools.count()


def burst(
    world: World,
    machines: Sequence[Pair],
    offer: Offer,
    processes: int = 1,
    told: Callable[[Attempt], None] = lambda _: None,
) -> list[Attempt]:
    """Has so many organizations onboarded as are offered, all of which come at once.

    Args:
        machines: as many organizations are served at once as there are pairs.
        processes: of locust.
        told: hears of each attempt when it has ended.

    Returns:
        What became of them, by number; fewer than were offered if locust ended before.

    Raises:
        Inconclusive: locust ended and had not begun.
    """
    assert offer.organizations is not None
    path, log = _places(world)
    with (
        Desk(world.subject.lab_host, machines, offer, path, told) as desk,
        load.running(Load(offer.organizations, processes), world.subject.service, path, log) as locust,
    ):
        _await_end(desk, locust)
    if not desk.attempts:
        raise Inconclusive(f"locust began with nothing: {_last_words(log)}")
    return sorted(desk.attempts, key=attrgetter("number"))


def serve_page(world: World, machines: Sequence[Pair], offer: Offer, users: int, processes: int) -> list[Attempt]:
    """Has organizations onboarded as somebody at locust's page wants it, until Ctrl-C.

    Args:
        users: what the page proposes.

    Returns:
        What became of them, by number.

    Raises:
        Inconclusive: locust ended by itself.
    """
    path, log = _places(world)
    with (
        Desk(world.subject.lab_host, machines, offer, path) as desk,
        load.running(Load(users, processes, page=True), world.subject.service, path, log) as locust,
    ):
        try:
            locust.wait()
        except KeyboardInterrupt:
            pass
        else:
            raise Inconclusive(f"locust ended by itself: {_last_words(log)}")
    return sorted(desk.attempts, key=attrgetter("number"))


def _places(world: World) -> tuple[Path, Path]:
    """A socket and a log of its own for each burst."""
    name = f"burst-{next(_numbers)}"
    return world.lab.folder / f"{name}.sock", world.lab.folder / f"{name}.log"


def _last_words(log: Path) -> str:
    return log.read_text(errors="replace")[-1000:]


def _await_end(desk: Desk, locust: subprocess.Popen[bytes]) -> None:
    ended, quiet = 0, 0.0
    while not desk.wait(_LOOK_EVERY) and locust.poll() is None and quiet < _STALL:
        now = len(desk.attempts)
        ended, quiet = now, quiet + _LOOK_EVERY if now == ended else 0.0
