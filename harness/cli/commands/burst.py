"""Body of ``burst``: many organizations at once."""

from __future__ import annotations

from pathlib import Path

import typer

from harness.burst import command as bursts
from harness.burst.command import BurstOptions
from harness.burst.report import write as write_report
from harness.burst.slo import DEFAULT as DEFAULT_SLO
from harness.burst.slo import BadSlo
from harness.burst.slo import read as read_slo
from harness.cli import entering
from harness.cli.checks import check_choice, check_writable
from harness.cli.choices import WIREGUARD
from harness.cli.console import CONSOLE
from harness.cli.entering import enter_sandbox_with_way_in
from harness.judging.verdicts import Inconclusive
from netlab import NetlabError
from reports.ending import NO_INPUT, UNAVAILABLE, end


def run(
    organizations: int,
    at_once: int,
    keep: bool,
    processes: int,
    web: str | None,
    slo: Path | None,
    json: Path | None,
    wireguard: str,
) -> None:
    """Runs a burst, shows and writes its figures, and ends with the exit code."""
    check_choice("wireguard", wireguard, WIREGUARD)
    try:
        wanted = read_slo(slo or DEFAULT_SLO)
    except BadSlo as error:
        end(str(error), NO_INPUT)
    if json is not None:
        check_writable(json)
        # Removed first, so that a run that fails does not leave an older run's file. Devices and pipes stay.
        if json.is_file():
            json.unlink()
    inward = None
    if web is None:
        entering.enter_sandbox()
    else:
        inward = enter_sandbox_with_way_in("web", web, "page of locust")
    try:
        options = BurstOptions(organizations, at_once, keep, processes, wireguard)
        figures = bursts.run(options, inward, wanted, CONSOLE)
    except (Inconclusive, NetlabError) as error:
        end(f"The burst could not be run: {error}", UNAVAILABLE)
    met = not wanted.missed_by(figures)
    if json is not None:
        write_report(json, figures, met=met)
    raise typer.Exit(0 if met else 1)
