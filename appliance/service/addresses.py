"""Allocation of overlay addresses: the lowest free one, and a released one only after a quiet time."""

from __future__ import annotations

import math
from datetime import datetime
from ipaddress import IPv4Address

from appliance.model.addresses import QUIET_TIME, next_address
from appliance.model.errors import Conflict
from appliance.service.changes import OpenChange
from appliance.store import addresses
from appliance.store.addresses import ReleasedAddress


def allocate(change: OpenChange, now: datetime) -> IPv4Address:
    """Find the lowest address that no machine has, or had less than `QUIET_TIME` ago.

    Two machines never get the same address: the change that is stored second is prepared again.

    Raises:
        Conflict: every address is taken; the text says when the next one is free, if that is known.
    """
    organization = change.organization
    quiet = addresses.released_since(change.transaction, organization.id, now - QUIET_TIME)
    found = next_address(
        organization.network,
        [*(peer.address for peer in change.before.peers), *change.disabled.values()],
        [each.address for each in quiet],
    )
    if found is not None:
        return found
    if not quiet:
        raise Conflict(
            "Every address of {network} is taken: it has room for {machine_count} machines.",
            network=organization.network,
            machine_count=change.machine_count,
        )
    free_at = min(each.at for each in quiet) + QUIET_TIME
    raise Conflict(
        "Every address of {network} is taken, or was a removed machine's less than an hour ago. The next one "
        "is free at {free_at:%Y-%m-%d %H:%M:%S UTC}.",
        retry_after=max(1, math.ceil((free_at - now).total_seconds())),
        network=organization.network,
        free_at=free_at,
    )


def give_back(change: OpenChange, address: IPv4Address, now: datetime) -> None:
    """Release a machine's address; its quiet time begins."""
    organization_id, released = change.organization.id, ReleasedAddress(address, now)
    change.write(
        lambda transaction: addresses.release(transaction, organization_id, released, forget_before=now - QUIET_TIME)
    )
