"""Another project's own hub, and the one class that lets MeshWG's gate drive it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from harness.target import Added, Organization, Policy, Question, Refused, Seen
from netlab import LabHost, pubkey
from netlab.examples import tenantrules
from netlab.examples.tenanthub import TenantHub
from netlab.examples.tenants import Conflict, Refusal, Unknown

_ONLINE_S = 180
CONFIG = """\
# WireGuard config for machine "{machine}"
[Interface]
PrivateKey          = {private_key}
Address             = {address}
MTU                 = 1420

[Peer]
# MeshWG hub for "{organization}"
PublicKey           = {hub_public_key}
Endpoint            = {endpoint}
AllowedIPs          = {network}
PersistentKeepalive = 25
"""


class PlainHub:
    """wg-quick and nftables, a link and a table for each organization."""

    def __init__(self, host: LabHost, address: str) -> None:
        self._hub = TenantHub(host, address)
        self.stop, self.start = self._hub.stop, self._hub.start

    def __enter__(self) -> PlainHub:
        return self

    def __exit__(self, *_: object) -> None:
        self._hub.stop()

    def sign_up(self, name: str, network: str) -> Organization:
        with _refusals():
            tenant = self._hub.open(network, name)
        endpoint, key = self._hub.endpoint(tenant), pubkey(tenant.private_key)
        return Organization(tenant.id, str(tenant.network), endpoint, key)

    def delete(self, organization: str) -> None:
        with _refusals():
            self._hub.close(organization)

    def add(self, organization: str, name: str, groups: Sequence[str], public_key: str | None) -> Added:
        with _refusals():
            tenant = self._hub.tenant(organization)
            made = self._hub.add(tenant, name, groups, public_key)
        # standard-config is about this text, byte for byte; the hub's own would do for every other claim.
        config = CONFIG.format(
            machine=made.name,
            private_key=made.private_key or "<the machine's own>",
            address=f"{made.address}/{tenant.network.prefixlen}",
            organization=tenant.name,
            hub_public_key=pubkey(tenant.private_key),
            endpoint=self._hub.endpoint(tenant),
            network=tenant.network,
        )
        return Added(made.id, made.address, made.public_key, config)

    def remove(self, organization: str, machine: str) -> None:
        with _refusals():
            self._hub.remove(self._hub.tenant(organization), machine)

    def save(self, organization: str, policy: Policy) -> None:
        with _refusals():
            self._hub.save(self._hub.tenant(organization), policy.default, policy.rules, policy.version)

    def policy(self, organization: str) -> Policy:
        tenant = self._hub.tenant(organization)
        return Policy(tenant.default, tenant.rules, tenant.version)

    def verdict(self, organization: str, question: Question) -> str:
        tenant = self._hub.tenant(organization)
        return tenantrules.verdict(tenant, question.source, question.destination, question.protocol, question.port)

    def machines(self, organization: str) -> list[Seen]:
        tenant = self._hub.tenant(organization)
        peers = self._hub.peers(tenant)
        found = []
        for each in tenant.members.values():
            peer = peers[each.public_key]
            online = time.time() - peer.latest_handshake < _ONLINE_S
            facts = (each.id, each.name, each.address, each.public_key, each.groups)
            found.append(Seen(*facts, online, peer.latest_handshake, peer.rx_bytes, peer.tx_bytes))
        return found


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except Refusal as error:
        raise Refused(str(error)) from error
    except Unknown as error:
        raise Refused(f"there is no {error}", 404) from error
    except Conflict as error:
        raise Refused(str(error), 409) from error
