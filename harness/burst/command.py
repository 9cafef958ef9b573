"""``burst``: builds the lab, runs the burst in it, and shows what came of it."""

from __future__ import annotations

import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from rich.console import Console
from rich.table import Table

from harness.burst import load
from harness.burst.attempt import Attempt, collisions
from harness.burst.clients import pairs
from harness.burst.desk import Offer
from harness.burst.report import Figures, figures_of
from harness.burst.run import burst, serve_page
from harness.burst.slo import Slo
from harness.subject.inward import Inward
from harness.subject.kinds import OwnService
from harness.subject.relay import StreamRelay
from harness.world.progress import Progress
from harness.world.world import World

_MOST_COMPLAINTS = 5
# By their names in figures and file, in words, and on which side of the limit is good.
_ROWS = (
    ("errors", "organizations that met an error", "≤"),
    ("collisions", "things that two have and only one may", "≤"),
    ("meshes_working_share", "share of meshes that work", "≥"),
    ("rate_per_s", "working meshes a second", "≥"),
    ("p95_ms", "from sign-up to a working mesh, the slowest of twenty, ms", "≤"),
)
_LABEL = "burst"


@dataclass(frozen=True)
class BurstOptions:
    """How a burst is run.

    Attributes:
        organizations: how many sign up; with locust's page, how many it proposes.
        at_once: at most so many side by side.
        keep: whether they stay when their mesh is proven.
        processes: of locust.
        wireguard: the hub's implementation.
    """

    organizations: int
    at_once: int
    keep: bool
    processes: int
    wireguard: str


def run(options: BurstOptions, inward: Inward | None, slo: Slo, console: Console) -> Figures:
    """Runs a burst in a lab of its own.

    Args:
        inward: where the outside reaches locust's page, which says then when to begin; None has it begin at once.
        slo: shown beside the figures.

    Raises:
        Inconclusive: it could not be run.
    """
    with World(partial(OwnService, wireguard=options.wireguard)) as world:
        if inward is None:
            attempts, asked = _headless(world, options, console), options.organizations
        else:
            attempts = _with_page(world, options, inward, console)
            asked = len(attempts)
    figures = figures_of(attempts, asked)
    _show(figures, slo, console)
    _complain("error", [f"organization {each.number}: {each.error}" for each in attempts if each.error], console)
    _complain("collision", collisions(attempts), console)
    return figures


def _headless(world: World, options: BurstOptions, console: Console) -> list[Attempt]:
    machines = pairs(world, min(options.at_once, options.organizations))
    progress = Progress(options.organizations, "organizations done with", lambda text: _print(console, text))
    offer = Offer(options.organizations, _LABEL, keep=options.keep)
    return burst(world, machines, offer, options.processes, lambda _: progress.step())


def _with_page(world: World, options: BurstOptions, inward: Inward, console: Console) -> list[Attempt]:
    # Asked to end from outside, it ends as it does by Ctrl-C.
    signal.signal(signal.SIGTERM, _interrupt)
    host, port = inward.address
    machines = pairs(world, options.at_once)
    with StreamRelay(inward.listener, _to_the_page):
        console.print(f"locust's page: http://{f'[{host}]' if ':' in host else host}:{port}/  (Ctrl-C ends it)")
        offer = Offer(None, _LABEL, keep=options.keep)
        return serve_page(world, machines, offer, options.organizations, options.processes)


def _to_the_page() -> socket.socket:
    return socket.create_connection(load.PAGE)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _show(figures: Figures, slo: Slo, console: Console) -> None:
    table = Table(box=None, padding=(0, 1, 0, 0), highlight=False)
    for column in ("", "measured", "wanted", ""):
        table.add_column(column, justify="right" if column == "measured" else "left", overflow="fold")
    table.add_row("organizations", str(figures.organizations))
    missed = slo.missed_by(figures)
    for name, what, sign in _ROWS:
        measured, wanted = getattr(figures, name), getattr(slo, name)
        mark = "" if wanted is None else "[red]not met[/]" if name in missed else "[green]met[/]"
        table.add_row(what, _figure(measured), "" if wanted is None else f"{sign} {_figure(wanted)}", mark)
    table.add_row("from sign-up to a working mesh, median, ms", _figure(figures.p50_ms))
    console.print(table)


def _figure(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"


def _complain(kind: str, complaints: Sequence[str], console: Console) -> None:
    for each in complaints[:_MOST_COMPLAINTS]:
        console.print(f"{kind}: {each}", style="red", markup=False)
    if len(complaints) > _MOST_COMPLAINTS:
        console.print(f"and {len(complaints) - _MOST_COMPLAINTS} more of this kind", style="red")


def _print(console: Console, text: str) -> None:
    console.print(f"  {text}", markup=False)
