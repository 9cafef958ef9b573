"""``publish``: show runs of the gate on the service's public pages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from appliance.cli import operations, present
from appliance.cli.errors import CommandError, Exit
from appliance.cli.options import with_settings
from appliance.cli.settings import Settings
from appliance.model.errors import Refused
from appliance.service.transcripts import PublishedRuns, Run
from appliance.store import operations as trail

_LATEST = Path("reports/out/latest")


@with_settings("data", "database_url")
def publish(
    run: Annotated[Path | None, typer.Argument(help=f"Folder of a run; {_LATEST} if none is named.")] = None,
    withdraw: Annotated[str | None, typer.Option(help="Take this run off instead.")] = None,
    as_list: Annotated[bool, typer.Option("--list", help="Only tell what is published.")] = False,
    *,
    settings: Settings,
) -> None:
    """Publish a run of the gate: the page /transcripts has its files, and /claims its verdicts. Evidence stays here.

    Exit codes: 66 no such run, 73 the data folder or the database can't be used, 77 not root, 78 settings that make no
    sense or no store yet.
    """
    with present.opened(settings) as found:
        runs = PublishedRuns(found.folder.transcripts)
        if as_list:
            print("\n".join(map(_words, runs.runs())) or "Nothing is published.")
            return
        try:
            if withdraw is not None:
                runs.withdraw(withdraw)
                operations.note(found.store, trail.WITHDRAWN, run=withdraw)
                print(f"{withdraw} is not published any more.")
            else:
                published = runs.publish(run or _LATEST)
                operations.note(found.store, trail.PUBLISHED, run=published.id)
                print(f"Published: {_words(published)}")
        except Refused as error:
            raise CommandError(error.detail, Exit.NO_INPUT) from None
        except OSError as error:
            raise CommandError(f"{runs.folder} can't be written: {error.strerror}.", Exit.CANNOT_CREATE) from None


def _words(run: Run) -> str:
    told = run.transcript
    claims, breaks = len(told.claims), len(told.sabotage)
    return f"{run.id}  {told.verdict}  {run.proven} of {claims} claims proven, {run.caught} of {breaks} breaks noticed"
