"""Body of ``prove``: a proof of policies for all packets."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from contextlib import closing, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from harness.cli.checks import check_choice, checked_target
from harness.cli.console import CONSOLE
from harness.cli.outcomes import exit_code, show_door, show_outcome, show_summary
from harness.proof import ENGINES, Disagreement, by_cost
from harness.world.doorproving import DoorProven, prove_front_door
from harness.world.organizations import Organization, Unavailable, of_operator, of_token
from harness.world.proving import Engines, Failure, ProofOptions, Proven, prove_policies, run_here
from reports.ending import BAD_USAGE, FAULT, NO_INPUT, NO_SANDBOX, UNAVAILABLE, end

if TYPE_CHECKING:
    from harness.client.api import Api


def run(
    organization: str | None,
    target: str,
    authority: Path | None,
    token_file: Path | None,
    engine: str | None,
    captures: Path,
    *,
    deletions: bool,
    pairs: bool,
    packets: bool,
) -> None:
    """Proves organizations' policies, shows what came of it, and ends with the exit code."""
    if organization is not None and token_file is not None:
        end("--organization does not go with --token-file: a token is of one organization.", BAD_USAGE)
    check_choice("engine", engine, (None, *ENGINES, "both"))
    api = None if token_file is None else _api(target, authority, token_file)
    if os.geteuid() != 0:
        end("Namespaces and rules are read as root: use sudo.", NO_SANDBOX)
    seed = random.SystemRandom().randrange(2**31) if packets else None
    options = ProofOptions(_engines(engine), deletions=deletions or pairs, pairs=pairs, captures=captures, seed=seed)
    outcomes: list[Proven | Failure] = []
    try:
        with nullcontext() if api is None else closing(api):
            for outcome in prove_policies(partial(_organizations, api, organization), run_here, options):
                show_outcome(outcome, CONSOLE)
                outcomes.append(outcome)
        door = _door(outcomes, options, asked_all=api is None and organization is None)
    except Unavailable as error:
        end(f"Nothing was proven: {error}", UNAVAILABLE)
    except Disagreement as error:
        end(f"The engines disagree, so one of them is wrong; please report it: {error}", FAULT)
    show_summary(outcomes, CONSOLE)
    show_door(door, CONSOLE)
    raise typer.Exit(exit_code(outcomes, door))


def _door(outcomes: Sequence[Proven | Failure], options: ProofOptions, *, asked_all: bool) -> DoorProven | str:
    """Proves the front door; the reason if nothing is known of it."""
    seen = [each.organization for each in outcomes if isinstance(each, Proven)]
    try:
        return prove_front_door(seen, run_here, are_all=asked_all and len(seen) == len(outcomes), options=options)
    except Unavailable as error:
        return str(error)


def _api(target: str, authority: Path | None, token_file: Path) -> Api:
    url = checked_target(target, sabotages_only=False)
    try:
        token = token_file.read_text().strip()
        if authority is not None:
            authority.read_bytes()
    except OSError as error:
        end(f"{error.filename} can't be read: {error.strerror}.", NO_INPUT)
    # Clients of HTTP take long to load, and without a token nothing is asked that way.
    from harness.client.api import Api

    return Api(url, authority, token)


def _engines(chosen: str | None) -> Engines:
    if chosen is None:
        return by_cost
    return lambda _: ENGINES if chosen == "both" else (chosen,)


def _organizations(api: Api | None, chosen: str | None) -> list[Organization]:
    if api is None:
        return of_operator(run_here, chosen)
    import httpx

    from harness.client.api import ApiError

    try:
        return [of_token(api)]
    except (ApiError, httpx.TransportError) as error:
        raise Unavailable(str(error)) from error
