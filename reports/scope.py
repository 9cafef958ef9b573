"""Scope of a run: what its verdict does not cover, in words."""

from __future__ import annotations

from reports.schema import Transcript
from reports.texts import many


def limits_of(run: Transcript) -> list[str]:
    """Tells what a run left out, did otherwise than usual, or does not say of itself.

    Args:
        run: the run.

    Returns:
        One sentence for each; none if its verdict is about everything.
    """
    found = []
    if run.left_out:
        found.append(f"It says nothing of {', '.join(run.left_out)}.")
    if run.untried:
        found.append(f"It left {many(len(run.untried), 'sabotage')} to runs with other seeds.")
    if tried_no_mutants(run):
        found.append("It tried no mutants.")
    if run.elsewhere:
        found.append("The service ran elsewhere, and was not sabotaged.")
    if run.hub is not None:
        found.append(f"It is of another project's hub, {run.hub}, which was not sabotaged.")
    if run.tested is None or run.tested.tree is None:
        found.append("Which files were tested is not known.")
    if run.tested is not None and run.tested.altered:
        found.append(f"Altered packages took part: {', '.join(run.tested.altered)}.")
    if run.options is None:
        found.append("It does not say which options it had.")
    elif run.options:
        found.append(f"Its options were {options(run)}.")
    return found


def tried_no_mutants(run: Transcript) -> bool:
    """Tells whether a run of the product in a lab had no automatic breaks, by an option or by its profile."""
    return not run.mutants and not run.elsewhere and run.hub is None


def options(run: Transcript) -> str:
    """Writes the options of a run as on the command line; "" if they were the usual ones, or are not known."""
    return " ".join(f"--{name} {value}" for name, value in (run.options or {}).items())
