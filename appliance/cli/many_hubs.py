"""Objects that the settings of many hubs lead to; loaded only where they are given."""

from __future__ import annotations

import ssl
from ipaddress import ip_address
from pathlib import Path

from appliance.cli import trust
from appliance.cli.errors import CommandError, Exit
from appliance.cli.settings import Settings
from appliance.cluster.addresses import CommandAddress, HostAddress, LanAddress, PublicAddress
from appliance.cluster.etcd import Etcd, Identity, SocketAddress
from appliance.cluster.guidance import Guidance
from appliance.service.owners import OwningHubs
from appliance.store import Store

_TIMEOUT_S = 0.4
_FROM_ALL_OTHERS = 0o077


def identity(settings: Settings) -> Identity:
    """Find the files of this host's identity.

    Raises:
        CommandError: somebody else may read the key.
    """
    assert settings.host_ca is not None
    assert settings.host_cert is not None
    assert settings.host_key is not None
    found = Identity(settings.host_ca, settings.host_cert, settings.host_key)
    trust.read(found.key, "key of this host", hidden_from=_FROM_ALL_OTHERS)
    return found


def _client_context(settings: Settings) -> ssl.SSLContext:
    """Read the identity now, for a client.

    Raises:
        CommandError: a file can't be read, or is not what it should be.
    """
    found = identity(settings)
    try:
        return found.context(ssl.PROTOCOL_TLS_CLIENT)
    except OSError as error:
        raise CommandError(
            f"The identity of this host can't be used ({found.certificate}): {error}.", Exit.NOT_CONFIGURED
        ) from None


def etcd(settings: Settings) -> Etcd:
    """Make a client of etcd for one user of it."""
    members = [SocketAddress(*each) for each in settings.etcd]
    return Etcd(members, _TIMEOUT_S, _client_context(settings))


def guidance(settings: Settings) -> Guidance:
    """Make an access to what operators want."""
    return Guidance(etcd(settings))


def hubs(settings: Settings, store: Store) -> OwningHubs:
    """Make a client of all hubs. The files of the identity are read now."""
    return OwningHubs(store, etcd(settings), _client_context(settings))


def public_address(settings: Settings, address: str) -> PublicAddress:
    """Make what leads a shard's address here.

    Raises:
        AddressUnavailable: there is no such link.
    """
    assert settings.announce is not None
    how, by = settings.announce
    if how == "command":
        trust.read(Path(by), "command for addresses")
        return CommandAddress(ip_address(address), [by])
    return (LanAddress if how == "lan" else HostAddress)(ip_address(address), by)
