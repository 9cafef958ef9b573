"""Body of ``lab``: a lab with machines that are connected already."""

from __future__ import annotations

from harness.cli.checks import check_choice
from harness.cli.choices import WIREGUARD
from harness.cli.console import CONSOLE
from harness.cli.entering import enter_sandbox_with_way_in
from harness.cli.interactive import run as run_lab
from harness.judging.verdicts import Inconclusive, Refuted
from reports.ending import UNAVAILABLE, end


def run(machines: int, listen: str, wireguard: str) -> None:
    """Runs a lab until the user ends it."""
    check_choice("wireguard", wireguard, WIREGUARD)
    inward = enter_sandbox_with_way_in("listen", listen, "pages of the lab")
    try:
        run_lab(machines, wireguard, inward, CONSOLE)
    except (Inconclusive, Refuted) as error:
        end(f"The lab could not be built: {error}", UNAVAILABLE)
