"""Command ``burst``: builds a lab, runs a burst in it, and prints its figures."""

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
from harness.burst.clients import client_pairs
from harness.burst.coordinator import BurstSpec
from harness.burst.report import Figures, figures_of
from harness.burst.run import burst, serve_page
from harness.burst.slo import Slo
from harness.subject.inward import Inward
from harness.subject.kinds import OwnService
from harness.subject.relay import StreamRelay
from harness.world.progress import Progress
from harness.world.world import World
from reports.addresses import in_brackets

_MOST_PRINTED = 5
# Name of the figure, its label, and the sign of its limit.
_ROWS = (
    ("errors", "organizations with an error", "≤"),
    ("collisions", "collisions between organizations", "≤"),
    ("meshes_working_share", "share of meshes that work", "≥"),
    ("rate_per_s", "working meshes a second", "≥"),
    ("p95_ms", "from sign-up to a working mesh, 95th percentile, ms", "≤"),
)
_LABEL = "burst"


@dataclass(frozen=True)
class BurstOptions:
    """Options of a burst.

    Attributes:
        organizations: number of organizations; with locust's page, the number that the page proposes.
        at_once: most organizations that are served at once.
        keep: keep organizations once their mesh is proven.
        processes: number of locust's processes.
        wireguard: the hub's WireGuard implementation.
    """

    organizations: int
    at_once: int
    keep: bool
    processes: int
    wireguard: str


def run(options: BurstOptions, inward: Inward | None, slo: Slo, console: Console) -> Figures:
    """Runs a burst in a lab of its own and prints its figures.

    Args:
        inward: listener outside of the lab for locust's page, on which the burst is begun; None begins it at once.
        slo: limits that are printed beside the figures.

    Raises:
        Inconclusive: the burst could not be run.
    """
    with World(partial(OwnService, wireguard=options.wireguard)) as world:
        if inward is None:
            attempts, wanted = _headless(world, options, console), options.organizations
        else:
            attempts = _with_page(world, options, inward, console)
            wanted = len(attempts)
    figures = figures_of(attempts, wanted)
    _show(figures, slo, console)
    if waits := sum(each.waits for each in attempts):
        console.print(f"answers that asked an owner to try again a moment later: {waits}")
    _print_first("error", [f"organization {each.number}: {each.error}" for each in attempts if each.error], console)
    _print_first("collision", collisions(attempts), console)
    return figures


def _headless(world: World, options: BurstOptions, console: Console) -> list[Attempt]:
    machines = client_pairs(world, min(options.at_once, options.organizations))
    progress = Progress(options.organizations, "organizations done with", lambda text: _print(console, text))
    spec = BurstSpec(options.organizations, _LABEL, keep=options.keep)
    return burst(world, machines, spec, options.processes, lambda _: progress.step())


def _with_page(world: World, options: BurstOptions, inward: Inward, console: Console) -> list[Attempt]:
    # SIGTERM ends the burst as Ctrl-C does.
    signal.signal(signal.SIGTERM, _interrupt)
    host, port = inward.address
    machines = client_pairs(world, options.at_once)
    with StreamRelay(inward.listener, _to_the_page):
        console.print(f"locust's page: http://{in_brackets(host)}:{port}/  (Ctrl-C ends it)")
        spec = BurstSpec(None, _LABEL, keep=options.keep)
        return serve_page(world, machines, spec, options.organizations, options.processes)


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


def _print_first(kind: str, texts: Sequence[str], console: Console) -> None:
    for each in texts[:_MOST_PRINTED]:
        console.print(f"{kind}: {each}", style="red", markup=False)
    if len(texts) > _MOST_PRINTED:
        console.print(f"and {len(texts) - _MOST_PRINTED} more of this kind", style="red")


def _print(console: Console, text: str) -> None:
    console.print(f"  {text}", markup=False)
