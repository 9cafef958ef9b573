"""Creation of an organization: keys, port, row and data plane, or nothing of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from ipaddress import IPv4Network

from sqlalchemy import Connection

from appliance.hub.errors import HubError
from appliance.model.desired import Desired
from appliance.model.errors import NotEnforced
from appliance.model.ids import new_revision
from appliance.model.organization import Organization, Plan
from appliance.model.sentences import sentence
from appliance.service.changes import enforce
from appliance.service.context import Context
from appliance.service.hub_calls import refused_as
from appliance.store import organizations, shards

_NO_HUB = sentence("The hub is not there to make an organization; nothing was stored.")
_CANDIDATES = 256
# More than the number of simultaneous sign-ups.
_ENOUGH = 24


@contextmanager
def founded(
    context: Context,
    organization_id: str,
    *,
    name: str,
    network: IPv4Network,
    plan: Plan,
    write: Callable[[Connection], object] = lambda _: None,
) -> Iterator[Organization]:
    """Create an organization that the data plane enforces and that is not active yet; the block activates it.

    If the block raises, nothing of the organization remains.

    Args:
        write: stores more in the transaction that stores the organization.

    Raises:
        NotEnforced: the data plane could not be created; nothing of it remains.
    """
    with refused_as(NotEnforced(_NO_HUB)):
        keys = context.hub.create_keys(organization_id)
        with context.store.read() as transaction:
            candidates = organizations.free_ports(transaction, _CANDIDATES)
        usable = context.hub.free_ports(candidates, _ENOUGH)

    # The data plane is slow to create: no transaction is open meanwhile, and the organization stays invisible.
    with context.store.write() as transaction:
        new = Organization(
            id=organization_id,
            name=name,
            network=network,
            port=free_port(transaction, usable),
            hub_public_key=keys.public_key,
            plan=plan,
            policy_version=1,
            revision=new_revision(),
            created_at=context.clock(),
            shard=shards.emptiest(transaction),
        )
        organizations.create(transaction, new, keys)
        write(transaction)
    desired = Desired(
        organization=organization_id,
        network=network,
        port=new.port,
        hub_public_key=keys.public_key,
        sealed_data_key=keys.sealed_data_key,
        sealed_private_key=keys.sealed_private_key,
    )
    try:
        enforce(context, desired, new.revision)
        yield new
        context.states.keep(new.revision, desired)
    except BaseException:
        # The row comes last: until it is gone, nobody else gets its port, and its shard's owner can be found.
        with suppress(HubError):
            context.hub.remove(organization_id)
        with context.store.write() as transaction:
            organizations.remove(transaction, organization_id)
        raise


def free_port(transaction: Connection, usable: Collection[int]) -> int:
    """Find the lowest port that nothing on the host used, and that no other sign-up has taken since."""
    organizations.lock_ports(transaction)
    port = organizations.lowest_free_port(transaction, usable)
    if port is None:
        raise NotEnforced("The hub has no UDP port left for another organization.")
    return port
