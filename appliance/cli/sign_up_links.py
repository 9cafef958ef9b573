"""``admin sign-up-links``: links with which somebody signs an organization up, until one is used."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated

import typer

from appliance.cli import operations
from appliance.cli.at_work import at_work
from appliance.cli.errors import CommandError, Exit
from appliance.cli.lists import print_list
from appliance.cli.options import AsJson, with_settings
from appliance.cli.settings import Settings
from appliance.model.plural import counted
from appliance.service import permits as service
from appliance.store import operations as command_log
from appliance.store import permits, times
from appliance.store.permits import SignUpLink

sign_up_links = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Sign-up links: with each of them somebody signs an organization up, once.",
)

_EXITS = (
    "Exit codes: 0 done, 64 neither a link nor --all, 66 no such link, 73 the database can't be used, 77 not root, 78 "
    "settings that make no sense or no store yet."
)


@sign_up_links.command("add", epilog=_EXITS)
@with_settings("public_url", "data", "database_url")
def add(
    email: Annotated[str | None, typer.Option(help="Address that the account has to have; without, any.")] = None,
    *,
    settings: Settings,
) -> None:
    """Print a new sign-up link. It works once, and for seven days, unless `revoke` ends it earlier.

    Needed where the service runs with --sign-up invited; good with any other setting but closed.
    """
    with at_work(settings) as (_, context):
        noting = operations.noting(command_log.SIGN_UP_INVITED)
        link = service.invite(context, email, made_by=operations.user(), also=noting)
    print(link)


@sign_up_links.command("list", epilog=_EXITS)
@with_settings("data", "database_url")
def list_links(as_json: AsJson = False, *, settings: Settings) -> None:
    """List those that operators made and nobody has used, newest first. Each was shown once, when it was made."""
    links = partial(permits.links, now=times.now())
    print_list(settings, "sign_up_links", links, _document, None if as_json else _show)


def _show(listed: Sequence[SignUpLink]) -> None:
    for each in listed:
        made = f"made {each.created_at:%Y-%m-%d %H:%M} by {each.made_by}"
        print(f"{each.id}  for {each.email or 'any address'}, {made}, until {each.expires_at:%Y-%m-%d %H:%M}")
    print(f"{counted(len(listed), 'link')}; times are UTC.")


@sign_up_links.command("revoke", epilog=_EXITS)
@with_settings("data", "database_url")
def revoke(
    link: Annotated[str | None, typer.Argument(metavar="ID", help="Id of a link, as `list` shows it.")] = None,
    everyone: Annotated[bool, typer.Option("--all", help="All links.")] = False,
    *,
    settings: Settings,
) -> None:
    """Revoke a sign-up link, or all of them: it leads nowhere when this returns."""
    if (link is None) != everyone:
        raise CommandError("Name the link to revoke, or give --all.", Exit.REFUSED)
    with at_work(settings) as (found, context), found.store.write() as transaction:
        count = 1
        if link is None:
            count = service.revoke_all_within(context, transaction)
        else:
            service.revoke_within(context, transaction, link)
        command_log.record(transaction, operations.command(command_log.SIGN_UP_REVOKED, links=count))
    print(f"{counted(count, 'link')} revoked.")


def _document(each: SignUpLink) -> dict[str, object]:
    return {
        "id": each.id,
        "email": each.email,
        "made_by": each.made_by,
        "created_at": each.created_at,
        "expires_at": each.expires_at,
    }
