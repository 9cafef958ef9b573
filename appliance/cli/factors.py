"""``admin factors``: remove lost second factors and passkeys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from appliance.cli import operations
from appliance.cli.at_work import at_work
from appliance.cli.lists import print_list
from appliance.cli.options import AsJson, with_settings
from appliance.cli.settings import Settings
from appliance.model.plural import counted
from appliance.service import factor_removals
from appliance.store import factor_removals as stored
from appliance.store import operations as command_log
from appliance.store.factor_removals import FactorRemoval

factors = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Remove second factors and passkeys that somebody has lost. It takes 72 hours, and letters tell of it.",
)

Email = Annotated[str, typer.Argument(help="E-mail address of the account.")]

_EXITS = (
    "Exit codes: 0 done, 64 refused, 66 nobody has this address or nothing is being removed, 73 the database can't be "
    "used, 77 not root, 78 settings that make no sense or no store yet."
)


@factors.command("remove", epilog=_EXITS)
@with_settings("data", "database_url")
def remove(email: Email, *, settings: Settings) -> None:
    """Begin to remove the second factor and the passkeys of an account. It takes effect 72 hours later.

    The person and the owners of the organization get letters, where the service sends mail; where it sends none, tell
    them. Whoever signs in with what would be removed stops it, as every owner can, and `keep` does.
    """
    with at_work(settings) as (_, context):
        begun = factor_removals.begin(context, email, also=operations.noting(command_log.FACTOR_REMOVAL_BEGUN))
    print(
        f"The second factor and the passkeys of {begun.email} are removed at {begun.due_at:%Y-%m-%d %H:%M} UTC, unless "
        "somebody stops that before."
    )


@factors.command("keep", epilog=_EXITS)
@with_settings("data", "database_url")
def keep(email: Email, *, settings: Settings) -> None:
    """Stop a removal that has begun."""
    with at_work(settings) as (_, context):
        factor_removals.stop_as_operator(context, email, also=operations.noting(command_log.FACTOR_REMOVAL_STOPPED))
    print("The removal is stopped; the account keeps its second factor and passkeys.")


@factors.command("list", epilog=_EXITS)
@with_settings("data", "database_url")
def list_removals(as_json: AsJson = False, *, settings: Settings) -> None:
    """List the removals that have begun and not taken effect yet."""
    print_list(settings, "factor_removals", stored.waiting, _document, None if as_json else _show)


def _show(waiting: Sequence[FactorRemoval]) -> None:
    for each in waiting:
        print(f"{each.email}  takes effect {each.due_at:%Y-%m-%d %H:%M}, begun {each.begun_at:%Y-%m-%d %H:%M}")
    print(f"{counted(len(waiting), 'removal')}; times are UTC.")


def _document(each: FactorRemoval) -> dict[str, object]:
    return {
        "email": each.email,
        "organization": each.organization_id,
        "begun_at": each.begun_at,
        "due_at": each.due_at,
    }
