"""``status``: tell whether the service runs and enforces every organization."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import typer

from appliance.cli import existing_service, probe
from appliance.cli.errors import Exit
from appliance.cli.existing_service import ExistingService
from appliance.cli.options import AsJson, with_settings
from appliance.cli.settings import Settings
from appliance.hub.rpc.messages import HubStatus
from appliance.store import machines, organizations
from appliance.store.revision import NEWEST, revision


@dataclass(frozen=True)
class ServiceStatus:
    """Status of hub, web process and store.

    Attributes:
        hub: None if no hub answers.
        alive, ready: True if the web process answers /healthz and /readyz with 200.
        organizations, machines: numbers in the store.
        revision: of the store's schema.
        newest: newest schema revision of this version.
    """

    instance: str
    url: str
    hub: HubStatus | None
    alive: bool
    ready: bool
    organizations: int
    machines: int
    revision: str | None
    newest: str

    @property
    def enforces(self) -> bool:
        """True if the hub runs and every organization is enforced."""
        return self.hub is not None and self.hub.enforcing >= self.hub.expected

    @property
    def is_up(self) -> bool:
        """True if everything runs and enforces."""
        return self.enforces and self.alive and self.ready


@with_settings("data", "listen", "database_url")
def status(as_json: AsJson = False, *, settings: Settings) -> None:
    """Tell whether the service is up and enforces every organization. Changes nothing, needs no unlock secret.

    Exit codes: 0 everything runs and enforces, 69 not, 73 the database can't be used, 77 not root, 78 settings that
    make no sense or no store yet.
    """
    with existing_service.opened(settings) as found:
        now = look(found)
    print(json.dumps(document(now), indent=2) if as_json else words(now))
    raise typer.Exit(0 if now.is_up else Exit.UNAVAILABLE)


def look(found: ExistingService) -> ServiceStatus:
    """Ask the store, the hub and the web process."""
    hub = found.hub_status()
    with found.store.read() as transaction:
        counted = organizations.count(transaction), machines.count(transaction)
    ready = probe.answer(found.settings, "/readyz") == HTTPStatus.OK
    return ServiceStatus(
        found.instance.id,
        probe.url(found.settings),
        hub,
        # What is ready is alive.
        ready or probe.answer(found.settings, "/healthz") == HTTPStatus.OK,
        ready,
        *counted,
        revision(found.store),
        NEWEST,
    )


def document(now: ServiceStatus) -> dict[str, Any]:
    """Format the status for programs."""
    hub = now.hub
    return {
        "up": now.is_up,
        "instance": now.instance,
        "url": now.url,
        "hub": {"answers": hub is not None},
        "web": {"alive": now.alive, "ready": now.ready},
        "wireguard": None if hub is None else {"implementation": hub.wireguard, "version": hub.version},
        "organizations": {"enforcing": None if hub is None else hub.enforcing, "expected": now.organizations},
        "machines": now.machines,
        "front_door": None if hub is None else {"port": hub.public_port, "packets": hub.door},
        "repairs": None if hub is None else hub.repairs,
        "shards": None if hub is None else {each.endpoint: each.host for each in hub.shards},
        "schema": {"revision": now.revision, "newest": now.newest},
    }


def words(now: ServiceStatus) -> str:
    """Format the status for people: a sentence, then the facts."""
    hub = now.hub
    enforced = f"{'?' if hub is None else hub.enforcing} of {now.organizations} enforced"
    schema = f"revision {now.revision}" + ("" if now.revision == now.newest else f"; this version has {now.newest}")
    facts = {
        "URL": now.url,
        "instance": now.instance,
        "WireGuard": "unknown while the hub does not answer" if hub is None else f"{hub.wireguard} {hub.version}",
        "organizations": enforced,
        "machines": str(now.machines),
        "front door": "unknown while the hub does not answer" if hub is None else f"UDP port {hub.public_port}",
        "repairs": _repairs(hub),
        **({} if hub is None or not hub.shards else {"shards": _shards(hub)}),
        "store": schema,
    }
    return "\n".join([_sentence(now), *(f"  {name:15}{value}" for name, value in facts.items())])


def _repairs(hub: HubStatus | None) -> str:
    if hub is None:
        return "unknown while the hub does not answer"
    parts = ", ".join(f"{part} {count}" for part, count in sorted(hub.repairs.items()))
    return f"since the hub's start: {parts or 'none'}"


def _shards(hub: HubStatus) -> str:
    return ", ".join(f"{each.endpoint} {each.host or 'has no hub that answers'}" for each in hub.shards)


def _sentence(now: ServiceStatus) -> str:
    if now.is_up:
        return "The service is up, and every organization is enforced."
    if now.hub is None and not now.alive:
        return f"The service is down: its hub does not answer, and neither does {now.url}"
    if now.hub is None:
        return "The service is not working: pages and API answer, but its hub does not."
    if not now.alive:
        return f"The service is not working: its hub answers, but nothing does at {now.url}"
    if not now.enforces:
        lost = f"no hub answers for {', '.join(now.hub.lost)}. " if now.hub.lost else ""
        return f"The service is not ready: {lost}{now.hub.progress}"
    return "The service is not ready yet."
