"""Sabotages that lead traffic past the one hub, or past its port."""

from __future__ import annotations

from dataclasses import dataclass, replace

from appliance.hub.front_door import FrontDoor
from appliance.model.configuration import Configuration
from appliance.model.organization import Machine, Organization
from appliance.service import machines
from appliance.service.context import Context
from appliance.store import machines as stored
from appliance.store import organizations

_configuration = machines.configuration_of


@dataclass(frozen=True)
class _WithMates(Configuration):
    """Configuration with further peers at its end."""

    mates: str = ""

    def text(self) -> str:
        return super().text() + self.mates


def introduce_mates() -> None:
    """Puts the machines that are online into a new machine's configuration as peers."""

    def configuration(
        context: Context, organization: Organization, machine: Machine, private_key: str | None
    ) -> Configuration:
        plain = _configuration(context, organization, machine, private_key)
        with context.store.read() as transaction:
            addresses = {each.public_key: each.address for each in stored.peers_of(transaction, organization.id)}
        mates = "".join(
            f"\n[Peer]\nPublicKey = {peer.public_key}\nEndpoint = {peer.endpoint}\n"
            f"AllowedIPs = {addresses[peer.public_key]}/32\n"
            for peer in context.hub.peers(organization.id)
            if peer.endpoint and peer.public_key in addresses
        )
        return _WithMates(**vars(plain), mates=mates)

    machines.configuration_of = configuration


def give_each_organization_a_port() -> None:
    """Names the port of the organization's own link in configurations, and leaves it open at the front door."""

    def configuration(
        context: Context, organization: Organization, machine: Machine, private_key: str | None
    ) -> Configuration:
        plain = _configuration(context, organization, machine, private_key)
        with context.store.read() as transaction:
            desired = organizations.desired(transaction, organization.id)
        host = context.endpoint.rpartition(":")[0]
        return plain if desired is None else replace(plain, endpoint=f"{host}:{desired.port}")

    machines.configuration_of = configuration
    FrontDoor.admit = lambda *_: None  # type: ignore[method-assign]
