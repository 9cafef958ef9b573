"""``publish``: shows runs of the gate to everybody, on the service's own pages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from appliance.cli import present
from appliance.cli.errors import CommandError, Exit
from appliance.cli.folder import Folder
from appliance.cli.options import Config, Data
from appliance.cli.settings import resolve
from appliance.model.errors import Refused
from appliance.service.transcripts import Run, Shelf

_LATEST = Path("reports/out/latest")


def publish(
    run: Annotated[Path | None, typer.Argument(help=f"Folder of a run; {_LATEST} if none is named.")] = None,
    withdraw: Annotated[str | None, typer.Option(help="Take this run off instead.")] = None,
    as_list: Annotated[bool, typer.Option("--list", help="Only tell what is published.")] = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Publish a run of the gate: the page /transcripts has its files, and /claims its verdicts. Evidence stays here.

    Exit codes: 66 no such run, 73 the data folder can't be written, 77 not root, 78 no service has this data folder.
    """
    present.must_be_root()
    folder = Folder(resolve({"data": data}, config).data)
    if folder.is_new:
        raise CommandError(f"There is no service in {folder.path} yet.", Exit.NOT_CONFIGURED)
    shelf = Shelf(folder.transcripts)
    try:
        if withdraw is not None:
            shelf.withdraw(withdraw)
            print(f"{withdraw} is not published any more.")
        elif not as_list:
            print(f"Published: {_words(shelf.publish(run or _LATEST))}")
    except Refused as error:
        raise CommandError(error.detail, Exit.NO_INPUT) from None
    except OSError as error:
        raise CommandError(f"{folder.transcripts} can't be written: {error.strerror}.", Exit.CANNOT_CREATE) from None
    if as_list:
        print("\n".join(map(_words, shelf.runs())) or "Nothing is published.")


def _words(run: Run) -> str:
    told = run.transcript
    claims, breaks = len(told.claims), len(told.sabotage)
    return f"{run.id}  {told.verdict}  {run.proven} of {claims} claims proven, {run.caught} of {breaks} breaks noticed"
