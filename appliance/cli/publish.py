"""``publish``: show runs of the gate on the service's public pages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from appliance.cli import existing_service, operations
from appliance.cli.errors import CommandError, Exit
from appliance.cli.options import with_settings
from appliance.cli.settings import Settings
from appliance.model.errors import Refused
from appliance.service.transcripts import PublishedRuns, Run
from appliance.store import Store, hidden_runs
from appliance.store import operations as command_log

_LATEST = Path("reports/out/latest")


@with_settings("data", "database_url")
def publish(
    run: Annotated[Path | None, typer.Argument(help=f"Folder of a run; {_LATEST} if none is named.")] = None,
    withdraw: Annotated[str | None, typer.Option(help="Take this run off instead.")] = None,
    hidden: Annotated[
        bool, typer.Option("--hidden", help="Leave it to an operator to show it, on /operator/runs.")
    ] = False,
    as_list: Annotated[bool, typer.Option("--list", help="Only tell what is published.")] = False,
    *,
    settings: Settings,
) -> None:
    """Publish a run of the gate: the page /transcripts has its files, and /claims its verdicts. Evidence stays here.

    Operators can withdraw it on their page /operator/runs, and publish it again.

    Exit codes: 66 no such run, 73 the data folder or the database can't be used, 77 not root, 78 settings that make no
    sense or no store yet.
    """
    with existing_service.opened(settings) as found:
        runs = PublishedRuns(found.folder.transcripts)
        if as_list:
            with found.store.read() as transaction:
                unseen = hidden_runs.load(transaction)
            lines = (f"{_words(each)}{'  hidden' if each.id in unseen else ''}" for each in runs.runs())
            print("\n".join(lines) or "Nothing is published.")
            return
        try:
            if withdraw is not None:
                runs.withdraw(withdraw)
                _decide(found.store, command_log.WITHDRAWN, withdraw)
                print(f"{withdraw} is not published any more.")
            elif hidden:
                source = run or _LATEST
                # First of all, so that nobody sees it in between.
                runs.check(source)
                _decide(found.store, command_log.HELD, source.resolve().name)
                print(f"Held back: {_words(runs.publish(source))}")
            else:
                published = runs.publish(run or _LATEST)
                _decide(found.store, command_log.PUBLISHED, published.id)
                print(f"Published: {_words(published)}")
        except Refused as error:
            raise CommandError(error.detail, Exit.NO_INPUT) from None
        except OSError as error:
            raise CommandError(f"{runs.folder} can't be written: {error.strerror}.", Exit.CANNOT_CREATE) from None


def _decide(store: Store, action: str, run: str) -> None:
    """Hide a run or show it, with an entry in the log of operations; a withdrawn one need not be hidden any more."""
    with store.write() as transaction:
        if action == command_log.HELD:
            hidden_runs.hide(transaction, run)
        else:
            hidden_runs.show(transaction, run)
        command_log.record(transaction, operations.command(action, run=run))


def _words(run: Run) -> str:
    told = run.transcript
    claims, breaks = len(told.claims), len(told.sabotage)
    return f"{run.id}  {told.verdict}  {run.proven} of {claims} claims proven, {run.caught} of {breaks} breaks noticed"
