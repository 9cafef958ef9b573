"""``operations``: list the operators' commands, and record them."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from appliance.cli.lists import print_list
from appliance.cli.options import AsJson, with_settings
from appliance.cli.settings import Settings
from appliance.store import Store, times
from appliance.store import operations as command_log
from appliance.store.operations import OperatorCommand


@with_settings("data", "database_url")
def operations(
    as_json: AsJson = False,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=1_000_000, help="At most so many.")] = 50,
    *,
    settings: Settings,
) -> None:
    """List what operators did with their commands, newest first: starts, backups, rotations, and by whom.

    Works with the service up or down.

    Exit codes: 0 done, 73 the database can't be used, 77 not root, 78 settings that make no sense or no store yet.
    """
    latest = partial(command_log.latest, limit=limit)
    print_list(settings, "operations", latest, _document, None if as_json else _show)


def _show(listed: Sequence[OperatorCommand]) -> None:
    for each in listed:
        facts = ", ".join(f"{name} {value}" for name, value in each.detail.items())
        print(f"{each.at:%Y-%m-%d %H:%M:%S} UTC  {each.user:12} {each.action}{f': {facts}' if facts else ''}")


def note(store: Store, action: str, **detail: Any) -> None:
    """Record a command that was carried out; the detail must not contain secrets.

    Raises:
        SQLAlchemyError: the store can't be written.
    """
    with store.write() as transaction:
        command_log.record(transaction, command(action, **detail))


def noting(action: str, **detail: Any) -> Callable[[Connection], None]:
    """Make what records a command, as `note` does, in the transaction of its change."""
    made = command(action, **detail)
    return lambda transaction: command_log.record(transaction, made)


def command(action: str, **detail: Any) -> OperatorCommand:
    """Make the entry about a command that this process carries out."""
    return OperatorCommand(times.now(), user(), action, detail)


def user() -> str:
    """Find the name of the person behind sudo, or else of this process's user."""
    given = os.environ.get("SUDO_USER")
    if given:
        return given
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _document(operation: OperatorCommand) -> dict[str, object]:
    return {"at": operation.at, "user": operation.user, "action": operation.action, "detail": operation.detail}
