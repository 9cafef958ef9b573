"""Options of commands that break the product: ``mutate`` and ``resolution``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.installed import MUTATION, body_of


def mutate(
    module: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this part of the product; repeatable. All parts if not given."),
    ] = None,
    judge: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="proof, tests or gate; repeatable. All of them if not given."),
    ] = None,
    sample: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Number of mutants to draw; all if not given.")
    ] = None,
    seed: Annotated[
        int,
        typer.Option(metavar="N", min=0, max=2**32 - 1, help="Seed of the draw, of tests and of scenarios."),
    ] = 0,
    minutes: Annotated[
        float, typer.Option(metavar="MINUTES", min=0, max=100_000, help="Time after which no run begins.")
    ] = 60.0,
    deadline: Annotated[
        float, typer.Option(metavar="SECONDS", min=1, max=100_000, help="Longest time of one run.")
    ] = 900.0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep the verdicts of earlier runs on the same code and tests.")
    ] = False,
    nearest: Annotated[
        bool,
        typer.Option(
            "--nearest",
            help="Run all unit tests of a part, those that name the mutant's module first, without a record of lines.",
        ),
    ] = False,
    only_list: Annotated[bool, typer.Option("--list", help="List the mutants, and judge none.")] = False,
) -> None:
    """Break the product automatically, and tell which breaks are noticed by proof, unit tests and gate.

    Verdicts are kept in reports/out/mutation.jsonl.

    Exit codes: 0 the goals are met, 1 one is not, or a mutant is undecided, 64 bad usage, 69 the product itself fails
    or its tests are missing, 73 the verdicts can't be written, 77 no sandbox possible.
    """
    body_of("mutate", *MUTATION).run(
        module or [], judge or [], sample, seed, minutes, deadline, resume=resume, nearest=nearest, only_list=only_list
    )


def resolution(
    claim: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Only this claim; repeatable. All that apply if not given.")
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Only this kind of fault: late, stall, leak, loss, leak-across or leak-outside; repeatable.",
        ),
    ] = None,
    profile: Annotated[str, typer.Option(metavar="NAME", help="quick or full.")] = "quick",
    runs: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="Most runs for each size of a fault.")] = 20,
    seed: Annotated[
        int, typer.Option(metavar="N", min=0, max=2**32, help="Seed of the first runs; each further one has the next.")
    ] = 0,
    minutes: Annotated[
        float, typer.Option(metavar="MINUTES", min=0, max=100_000, help="Time after which no run begins.")
    ] = 60.0,
    at_once: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=64, help="Runs at once; as many as the gate's if not given.")
    ] = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the results to this file too.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep the outcomes of earlier runs on the same code.")
    ] = False,
) -> None:
    """Measure how small a fault the gate finds, with faults of known sizes in the running service.

    Outcomes are kept in reports/out/resolution.jsonl.

    Exit codes: 0 of each kind a fault was found often enough, 1 not so, 64 bad usage, 69 the harness is not
    installed, 73 the results can't be written, 77 no sandbox possible.
    """
    body_of("resolution").run(claim or [], kind or [], profile, runs, seed, minutes, at_once, json, resume=resume)
