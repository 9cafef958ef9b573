"""``admin``: an operator's decisions about organizations, while the service runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from appliance.cli import factors, operations, operators, policies, sign_up_links
from appliance.cli.at_work import at_work
from appliance.cli.errors import CommandError, Exit
from appliance.cli.existing_service import ExistingService
from appliance.cli.lists import print_list
from appliance.cli.options import AsJson, with_settings
from appliance.cli.settings import Settings
from appliance.model.plural import counted
from appliance.service import Actor, invitations, resets, suspension, verification
from appliance.service import organizations as service
from appliance.store import operations as command_log
from appliance.store import overview
from appliance.store.overview import OrganizationSummary

admin = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Decide about organizations. Their own audit trails tell of it, as the operator's doing.",
)
admin.add_typer(factors.factors, name="factors")
admin.add_typer(operators.operators, name="operator")
admin.add_typer(sign_up_links.sign_up_links, name="sign-up-links")
admin.command("policies", epilog=policies.EXITS)(policies.print_policies)

Organization = Annotated[str, typer.Argument(help="Its id, or its name where no other one has the same.")]
Email = Annotated[str, typer.Argument(help="E-mail address of the account.")]

_UNBOUNDED = 10_000
_EXITS = (
    "Exit codes: 0 done, 64 refused, 66 no such organization or person, 69 the hub does not answer or could not take "
    "it, 73 the database can't be used, 77 not root, 78 settings that make no sense or no store yet."
)


@admin.command("list", epilog=_EXITS)
@with_settings("data", "database_url")
def list_organizations(as_json: AsJson = False, *, settings: Settings) -> None:
    """List every organization: plan, machines, members, since when, and whether it is suspended."""
    print_list(settings, "organizations", overview.summaries, _document, None if as_json else print_table)


@admin.command("plan", epilog=_EXITS)
@with_settings("data", "database_url")
def change_plan(
    organization: Organization, plan: Annotated[str, typer.Argument(help="free or paid.")], *, settings: Settings
) -> None:
    """Switch an organization to another plan; to the free one only if that covers its machines."""
    with at_work(settings) as (found, context):
        line = _find(found, organization)
        noting = operations.noting(command_log.PLAN_CHANGED, plan=plan)
        service.change(context, Actor.operator(line.id, within=noting), plan=plan)
    print(f"{_called(line)} is on the {plan} plan.")


@admin.command("suspend", epilog=_EXITS)
@with_settings("data", "database_url")
def suspend(organization: Organization, *, settings: Settings) -> None:
    """Suspend an organization: its tunnels are dead, nobody of it signs in, and all that it has is kept."""
    with at_work(settings) as (found, context):
        line = _find(found, organization)
        suspension.suspend(context, Actor.operator(line.id, within=operations.noting(command_log.SUSPENDED)))
    print(f"{_called(line)} is suspended: no packet of it passes, and nobody of it signs in.")


@admin.command("resume", epilog=_EXITS)
@with_settings("data", "database_url")
def resume(organization: Organization, *, settings: Settings) -> None:
    """Resume an organization that was suspended: its machines reconnect, and its people sign in again."""
    with at_work(settings) as (found, context):
        line = _find(found, organization)
        suspension.resume(context, Actor.operator(line.id, within=operations.noting(command_log.RESUMED)))
    print(f"{_called(line)} is resumed, and enforced.")


@admin.command("invite", epilog=_EXITS)
@with_settings("public_url", "data", "database_url")
def invite(
    organization: Organization,
    email: Annotated[str, typer.Argument(help="Address of the invited person's account.")],
    role: Annotated[str, typer.Option(help="owner, admin or viewer.")] = "viewer",
    *,
    settings: Settings,
) -> None:
    """Make an invitation into an organization, and print its link, which works once and for seven days."""
    with at_work(settings) as (found, context):
        line = _find(found, organization)
        actor = Actor.operator(line.id, within=operations.noting(command_log.INVITED))
        invited = invitations.invite(context, actor, email=email, role=role)
    print(invited.link)


@admin.command("take-invitation-back", epilog=_EXITS)
@with_settings("data", "database_url")
def take_invitation_back(
    organization: Organization,
    email: Annotated[str, typer.Argument(help="Address that an operator invited.")],
    *,
    settings: Settings,
) -> None:
    """Revoke an operator's invitation into an organization: its link leads nowhere when this returns."""
    with at_work(settings) as (found, context):
        line = _find(found, organization)
        noting = operations.noting(command_log.INVITATION_REVOKED)
        invitations.take_back(context, Actor.operator(line.id, within=noting), email)
    print(f"The invitation into {_called(line)} is revoked.")


@admin.command("reset-link", epilog=_EXITS)
@with_settings("public_url", "data", "database_url")
def reset_link(email: Email, *, settings: Settings) -> None:
    """Print a link with which a person chooses another password. It works once, and for an hour."""
    with at_work(settings) as (_, context):
        link = resets.issue(context, email, also=operations.noting(command_log.RESET_LINK_ISSUED))
    print(link)


@admin.command("verification-link", epilog=_EXITS)
@with_settings("public_url", "data", "database_url")
def verification_link(email: Email, *, settings: Settings) -> None:
    """Print a link with which a person verifies their address. It works once, and for three days."""
    with at_work(settings) as (_, context):
        link = verification.issue(context, email, also=operations.noting(command_log.VERIFICATION_LINK_ISSUED))
    print(link)


def _find(found: ExistingService, text: str) -> OrganizationSummary:
    with found.store.read() as transaction:
        lines = overview.summaries(transaction)
    named = [line for line in lines if line.id == text] or [line for line in lines if line.name == text]
    if not named:
        raise CommandError(
            f"There is no organization {text!r}; `meshwg admin list` tells which there are.", Exit.NO_INPUT
        )
    if len(named) > 1:
        ids = ", ".join(line.id for line in named)
        raise CommandError(
            f"{len(named)} organizations are called {text!r}: name one by its id ({ids}).", Exit.NO_INPUT
        )
    return named[0]


def _called(line: OrganizationSummary) -> str:
    return f"{line.id} ({line.name})"


def _document(line: OrganizationSummary) -> dict[str, object]:
    return {
        "id": line.id,
        "name": line.name,
        "plan": line.plan.value,
        "machines": line.machines,
        "members": line.members,
        "created_at": line.created_at,
        "suspended_at": line.suspended_at,
    }


def print_table(lines: Sequence[OrganizationSummary]) -> None:
    """Print organizations as a table that is as wide as it needs to be."""
    table = Table(box=None)
    for column in ("id", "name", "plan", "machines", "members", "created", "suspended"):
        table.add_column(column, no_wrap=True)
    for line in lines:
        table.add_row(*_cells(line))
    # Files and pipes have no width.
    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else _UNBOUNDED)
    unbounded = console.options.update(max_width=_UNBOUNDED)
    if Measurement.get(console, unbounded, table).maximum <= console.width:
        console.print(table)
    else:
        for line in lines:
            identity, name, *facts, created, suspended = _cells(line)
            told = f"{facts[0]}, machines {facts[1]}, members {facts[2]}, created {created}"
            console.print(f"{identity}  {name}", soft_wrap=True)
            console.print(f"  {told}{f', suspended {suspended}' if suspended else ''}", soft_wrap=True)
    console.print(f"{counted(len(lines), 'organization')}; times are UTC.")


def _cells(line: OrganizationSummary) -> tuple[str, ...]:
    suspended = "" if line.suspended_at is None else f"{line.suspended_at:%Y-%m-%d %H:%M}"
    counts = (str(line.machines), str(line.members))
    return (line.id, line.name, line.plan.value, *counts, f"{line.created_at:%Y-%m-%d %H:%M}", suspended)
