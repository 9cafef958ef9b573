"""Sabotages of address allocation."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from ipaddress import IPv4Address

from sqlalchemy import UniqueConstraint

from appliance.hub.plane import state_checks
from appliance.model.organization import Organization
from appliance.service import Actor, Context, addresses, machine_bounds, machines
from appliance.service.changes import OpenChange
from appliance.service.machines import IssuedMachine
from appliance.store import machines as stored
from appliance.store.schema import machines as table
from harness.sabotage.parts import NothingReplaced, replace_part

_COLUMNS = ("organization_id", "address")
_add = machines.add
_MEANWHILE_S = 0.02


def choose_early() -> None:
    """Chooses an address before the organization is locked, without the checks of database and hub."""
    chosen = threading.local()

    def add(
        context: Context,
        actor: Actor,
        *,
        name: str,
        groups: Iterable[str] = (),
        public_key: str | None = None,
        force: bool = False,
    ) -> IssuedMachine:
        with context.store.read() as transaction:
            taken = [machine.address for machine in stored.peers_of(transaction, actor.organization_id)]
        chosen.after = max(taken, default=None)
        time.sleep(_MEANWHILE_S)
        return _add(context, actor, name=name, groups=groups, public_key=public_key, force=force)

    def allocate(change: OpenChange, now: datetime) -> IPv4Address:
        del now
        return chosen.after + 1 if chosen.after else change.organization.network[2]

    found = [
        each
        for each in table.constraints
        if isinstance(each, UniqueConstraint) and tuple(each.columns.keys()) == _COLUMNS
    ]
    if not found:
        raise NothingReplaced("the database does not keep addresses unique")
    # A new store is made from the table.
    table.constraints.difference_update(found)
    machines.add = add
    addresses.allocate = allocate
    believe_every_machine()


def believe_every_machine() -> None:
    """Removes the hub's check against two machines with one address."""
    state_checks.check_peers = lambda *_: None


def give_again_at_once() -> None:
    """Frees an address as soon as its machine is removed."""
    replace_part(addresses, "QUIET_TIME", timedelta(0))


def keep_no_address_of_disabled_machines() -> None:
    """Frees an address as soon as its machine is removed, if the machine was disabled."""
    give_back = addresses.give_back

    def give_back_enabled(change: OpenChange, address: IPv4Address, now: datetime) -> None:
        if address not in change.disabled.values():
            give_back(change, address, now)

    addresses.give_back = give_back_enabled


def count_one_machine_less() -> None:
    """Lets a plan's limit be passed by one machine."""
    check_another = machine_bounds.check_another

    def check(organization: Organization, count: int) -> None:
        check_another(organization, count - 1)

    machine_bounds.check_another = check
