"""Sabotages that only show when many organizations sign up at once."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Collection
from dataclasses import replace
from ipaddress import IPv4Address

from sqlalchemy import Connection

from appliance.hub.plane.dataplane import DataPlane
from appliance.hub.plane.enforcement import LastCheck, no_check
from appliance.model.desired import Desired
from appliance.model.organization import Machine
from appliance.service import addresses, founding
from appliance.service.changes import OpenChange
from appliance.store import machines
from harness.sabotage.addresses import believe_every_machine

_apply = DataPlane.apply
_create = machines.create
_free_port = founding.free_port
_UP_TO_DATE_S = 1.0
_ONE_TAKES_S = 1.0
_TIMES = 50


def remember_the_free_port() -> None:
    """Looks for a free port outside of the transaction that takes it, and reuses the result for a second."""
    lock = threading.Lock()
    known = [(0, -_UP_TO_DATE_S)]

    def free_port(transaction: Connection, usable: Collection[int]) -> int:
        with lock:
            port, asked = known[-1]
            if time.monotonic() - asked >= _UP_TO_DATE_S:
                known.append((_free_port(transaction, usable), time.monotonic()))
                port, _ = known[-1]
            return port

    founding.free_port = free_port


def take_the_address_that_was_free() -> None:
    """Gives every machine the address that was free at first, and stores it under another one."""

    def allocate(change: OpenChange, now: object) -> IPv4Address:
        del now
        return change.organization.network[2]

    def create(transaction: Connection, organization_id: str, machine: Machine) -> None:
        filed = len(machines.peers_of(transaction, organization_id))
        _create(transaction, organization_id, replace(machine, address=machine.address + filed))

    addresses.allocate = allocate
    machines.create = create
    believe_every_machine()


def answer_before_the_mesh_is_made() -> None:
    """Makes meshes in the kernel after the answer, one organization after the other, with a pause between them.

    The pause is longer on a slow machine, where organizations also sign up more slowly.
    """
    waiting: queue.SimpleQueue[tuple[DataPlane, str]] = queue.SimpleQueue()
    newest: dict[str, Desired] = {}
    made: set[str] = set()

    def make() -> None:
        pause = _ONE_TAKES_S
        while True:
            plane, organization = waiting.get()
            time.sleep(pause)
            made.add(organization)
            begun = time.monotonic()
            # The request was answered long before.
            _apply(plane, newest[organization])
            pause = max(_ONE_TAKES_S, _TIMES * (time.monotonic() - begun))

    def apply(self: DataPlane, desired: Desired, last_check: LastCheck = no_check) -> None:
        if desired.organization in made:
            _apply(self, desired, last_check)
            return
        if desired.organization not in newest:
            if not newest:
                threading.Thread(target=make, daemon=True).start()
            waiting.put((self, desired.organization))
        newest[desired.organization] = desired

    DataPlane.apply = apply  # type: ignore[method-assign]
