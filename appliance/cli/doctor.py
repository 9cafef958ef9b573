"""``doctor``: tell what this host offers and lacks, and what to do."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from appliance import host
from appliance.host import report


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of words.")] = False,
) -> None:
    """Tell what this host offers and lacks, and what to do about it. Changes nothing.

    Exit codes: 0 the hub can run here, 69 the host lacks something for it, 77 all that is lacking is root.
    """
    diagnosis = host.diagnose(host.find_facts())
    report.write(diagnosis, sys.stdout, as_json=as_json)
    raise typer.Exit(report.exit_code(diagnosis))
