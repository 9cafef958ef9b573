"""``admin operator``: accounts for the pages under ``/operator``."""

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
from appliance.service import operators as service
from appliance.store import operations as command_log
from appliance.store import operators as stored
from appliance.store.operators import OperatorStanding

operators = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Accounts of operators, for the pages under /operator. Without one there are no such pages.",
)

Email = Annotated[str, typer.Argument(help="E-mail address of the operator's account.")]

_EXITS = (
    "Exit codes: 0 done, 64 refused, 66 no such operator, 73 the database can't be used, 77 not root, 78 settings that "
    "make no sense or no store yet."
)


@operators.command("add", epilog=_EXITS)
@with_settings("public_url", "data", "database_url")
def add(email: Email, *, settings: Settings) -> None:
    """Add an operator, and print a link with which they set up password and second factor.

    It works once, and for a day. For an operator who has not used theirs, a new one is made, and the old one ends.
    """
    with at_work(settings) as (_, context):
        link = service.add(context, email, also=operations.noting(command_log.OPERATOR_ADDED))
    print(link)


@operators.command("list", epilog=_EXITS)
@with_settings("data", "database_url")
def list_operators(as_json: AsJson = False, *, settings: Settings) -> None:
    """List the operators, and whether each is set up."""
    print_list(settings, "operators", stored.all_of, _document, None if as_json else _show)


def _show(listed: Sequence[OperatorStanding]) -> None:
    for each in listed:
        seen = "" if each.last_seen_at is None else f", last seen {each.last_seen_at:%Y-%m-%d %H:%M}"
        state = counted(each.recovery_codes, "recovery code") if each.is_enrolled else "has not used the link yet"
        print(f"{each.operator.email}  {state}{seen}")
    print(f"{counted(len(listed), 'operator')}; times are UTC.")


@operators.command("remove", epilog=_EXITS)
@with_settings("data", "database_url")
def remove(email: Email, *, settings: Settings) -> None:
    """Remove an operator. Their sessions, and the links and invitations that they made, have ended when it is done."""
    with at_work(settings) as (_, context):
        service.remove(context, email, also=operations.noting(command_log.OPERATOR_REMOVED))
    print("The operator is removed and signed out everywhere, and links and invitations that they made lead nowhere.")


def _document(each: OperatorStanding) -> dict[str, object]:
    return {
        "email": each.operator.email,
        "set_up": each.is_enrolled,
        "recovery_codes": each.recovery_codes,
        "created_at": each.operator.created_at,
        "last_seen_at": each.last_seen_at,
    }
