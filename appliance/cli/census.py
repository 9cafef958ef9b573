"""``census``: list every organization's objects on the host and rows in the store, and orphans."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict
from typing import Annotated, Any

import typer

from appliance.cli import existing_service, operations
from appliance.cli.errors import CommandError, Exit
from appliance.cli.existing_service import ExistingService
from appliance.cli.folder import hub_state
from appliance.cli.options import AsJson, with_settings
from appliance.cli.settings import Settings
from appliance.hub.errors import HubError
from appliance.model.desired import Desired
from appliance.model.plural import counted
from appliance.service import census as service
from appliance.service.census import Holding, HostPort
from appliance.store import operations as command_log


@with_settings("data", "database_url")
def census(
    organization: Annotated[str | None, typer.Option(help="Only the one of this id, or those of this name.")] = None,
    orphans: Annotated[bool, typer.Option("--orphans", help="Only what no organization of the store owns.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="With --orphans: remove it.")] = False,
    as_json: AsJson = False,
    *,
    settings: Settings,
) -> None:
    """List everything that exists on the host and in the store on behalf of each organization of this instance.

    Works with the service up or down.

    Exit codes: 0 done, 66 no such organization, 69 the host could not be looked at or an orphan stayed, 73 the database
    can't be used, 75 a service is just starting, 77 not root, 78 settings that make no sense or no store yet.
    """
    if remove and not orphans:
        raise CommandError("--remove goes with --orphans: only what nobody owns is removed.", Exit.REFUSED)
    with existing_service.opened(settings) as found, _host(found, exclusive=remove) as host:
        of_name = [each for each in service.take(found.store, host) if _is_named(each, organization)]
        if organization is not None and not of_name:
            raise CommandError(
                f"There is no organization {organization!r}, neither in the store nor on this host; `meshwg census` "
                "without --organization lists those that there are.",
                Exit.NO_INPUT,
            )
        holdings = [each for each in of_name if each.is_orphan or not orphans]
        for each in holdings if remove else ():
            service.remove(found.store, host, each)
        if remove and holdings:
            operations.note(found.store, command_log.ORPHANS_REMOVED, count=len(holdings))
    if as_json:
        print(json.dumps(document(found.instance.id, holdings, removed=remove), indent=2))
    else:
        print(words(found.instance.id, holdings, removed=remove))


@contextmanager
def _host(found: ExistingService, *, exclusive: bool) -> Iterator[HostPort]:
    """Open the hub, which knows of changes in progress; without a hub, the host itself.

    Args:
        exclusive: True to keep a service from starting during the block.
    """
    client = found.client()
    try:
        if found.hub_status() is not None:
            yield client
            return
        with found.at_rest() if exclusive else nullcontext(), _data_plane(found) as plane:
            yield plane
    except HubError as error:
        raise CommandError(f"The census was not completed: {error}.", Exit.UNAVAILABLE) from None


@contextmanager
def _data_plane(found: ExistingService) -> Iterator[HostPort]:
    """Open the data plane in this process, with modules that a running hub makes needless."""
    from appliance.hub import wireguard
    from appliance.hub.kernel.events import Watcher
    from appliance.hub.kernel.generation import Ledger
    from appliance.hub.names import Names
    from appliance.hub.plane.dataplane import DataPlane

    name = found.instance.id
    backend = wireguard.choose(found.settings.wireguard)
    with closing(Watcher(lambda _organization, _change: None)) as watcher:
        yield DataPlane(Names(name), backend, _no_key, Ledger(hub_state(name)), watcher)


def _no_key(desired: Desired) -> str:
    raise HubError(f"a census opens no keys, not even those of {desired.organization}")


def _is_named(holding: Holding, organization: str | None) -> bool:
    return organization in (None, holding.organization, holding.name)


def document(instance: str, holdings: Sequence[Holding], *, removed: bool) -> dict[str, Any]:
    """Format the census for programs."""
    return {
        "instance": instance,
        "removed": removed,
        "organizations": [
            {
                "id": each.organization,
                "name": each.name,
                "orphan": each.is_orphan,
                "host": None if each.host is None else _host_facts(each),
                "rows": dict(each.rows),
            }
            for each in holdings
        ],
    }


def words(instance: str, holdings: Sequence[Holding], *, removed: bool) -> str:
    """Format the census for people."""
    lines = []
    for each in holdings:
        lines.append(f"{each.organization}  {'(orphan)' if each.is_orphan else each.name}")
        facts = {"rows": ", ".join(f"{count} {table}" for table, count in each.rows.items()), **_host_facts(each)}
        for name, value in facts.items():
            if value:
                lines.append(f"  {name.replace('_', ' '):12}{_shown(value)}")
    orphans = sum(each.is_orphan for each in holdings)
    lost = counted(orphans, "orphan")
    if removed:
        return "\n".join([*lines, f"{lost} of instance {instance} removed."])
    owned = counted(len(holdings) - orphans, "organization")
    return "\n".join([*lines, f"Instance {instance}: {owned}, {lost}."])


def _shown(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "open" if value is True else str(value)


def _host_facts(holding: Holding) -> dict[str, Any]:
    return (
        {name: value for name, value in asdict(holding.host).items() if name != "organization"} if holding.host else {}
    )
