"""Many organizations, signed up and deleted over a few connections."""

from __future__ import annotations

import base64
import os
import queue
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from harness.client.api import Api
from harness.subject.service import Service
from harness.world.progress import Progress
from harness.world.world import PASSWORD

CONNECTIONS = 4
"""Connections side by side: enough to keep two cores busy, too few to queue."""
_FREE_MACHINES = 2


@dataclass(frozen=True)
class BenchTenant:
    """An organization.

    Attributes:
        token: session token of its owner.
        organization: the organization as the API shows it.
        machines: ids of its machines, which have no tunnels.
    """

    token: str
    organization: dict[str, Any]
    machines: tuple[str, ...]


class Connections:
    """Connections to a service that threads borrow."""

    def __init__(self, service: Service) -> None:
        self._free: queue.SimpleQueue[Api] = queue.SimpleQueue()
        self._all = [service.api() for _ in range(CONNECTIONS)]
        for each in self._all:
            self._free.put(each)

    @contextmanager
    def one(self, token: str | None = None) -> Iterator[Api]:
        """Borrows a connection for the block, with this token."""
        api = self._free.get()
        try:
            api.token = token
            yield api
        finally:
            self._free.put(api)

    def close(self) -> None:
        for each in self._all:
            each.close()


def sign_up(
    service: Service, label: str, count: int, machines: int, tell: Callable[[str], None] = lambda _: None
) -> list[BenchTenant]:
    """Signs up organizations, with machines that have keys of their own and never connect.

    Args:
        label: prefix of the names, different for each population of a service.
        count: number of organizations.
        machines: machines of each; more than two take the paid plan.
        tell: takes a message about progress every ten seconds.

    Raises:
        ApiError: the service refused one.
    """
    connections, progress = Connections(service), Progress(count, "organizations signed up", tell)

    def one(number: int) -> BenchTenant:
        with connections.one() as api:
            tenant = _sign_up_one(api, f"{label}-{number}", machines)
        progress.step()
        return tenant

    try:
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            return list(pool.map(one, range(count)))
    finally:
        connections.close()


def _sign_up_one(api: Api, name: str, machines: int) -> BenchTenant:
    api.sign_up(f"{name}@example.net", PASSWORD, name)
    organization = api.call("GET", "/organization").body
    if machines > _FREE_MACHINES:
        api.call("PATCH", "/organization", {"plan": "paid"})
    added = [
        api.call("POST", "/machines", {"name": f"machine-{number}", "public_key": _any_key()}).body["machine"]["id"]
        for number in range(machines)
    ]
    return BenchTenant(str(api.token), organization, tuple(added))


def remove(service: Service, tenants: list[BenchTenant], tell: Callable[[str], None] = lambda _: None) -> None:
    """Deletes organizations.

    Raises:
        ApiError: the service refused.
    """
    connections, progress = Connections(service), Progress(len(tenants), "organizations deleted", tell)

    def one(tenant: BenchTenant) -> None:
        with connections.one(tenant.token) as api:
            api.call("DELETE", "/organization", {"confirm": tenant.organization["name"]})
        progress.step()

    try:
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            list(pool.map(one, tenants))
    finally:
        connections.close()


def _any_key() -> str:
    """Returns a public key without a known private key: any 32 bytes are a point of Curve25519."""
    return base64.b64encode(os.urandom(32)).decode()
