"""The lab that scenarios run in: an underlay, the service on it, and room for customers' machines."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from types import TracebackType

from harness.mesh import Mesh
from harness.record import Record
from harness.service import Service, ServiceOptions
from netlab import Host, Lab

# RFC 5737: addresses for documentation, which no real network has.
UNDERLAY = "192.0.2.0/24"
HUB = "192.0.2.1"
OFFICE = "192.0.2.250"
PASSWORD = "correct horse battery"  # noqa: S105 - of customers that live as long as the lab
_FIRST_CLIENT, _LAST_CLIENT = 2, 249


class World:
    """A lab with the service in it. The program that runs the scenarios sits on the same underlay, as a browser would.

    Args:
        wireguard: the hub's implementation.
        sabotage: id of a break to put into the service, or None.
        seed: makes the run's choices; the same seed makes the same ones.
    """

    def __init__(self, *, wireguard: str = "auto", sabotage: str | None = None, seed: int = 0) -> None:
        self.seed = seed
        self.lab = Lab()
        self.internet = self.lab.switch("internet")
        self.hub_host = self.lab.host("hub")
        self.lab.connect(self.hub_host, self.internet, f"{HUB}/24")
        self.lab.connect_here(self.internet, f"{OFFICE}/24")
        self.service = Service(
            self.hub_host,
            ServiceOptions(address=HUB, trusted=[f"{OFFICE}/32"], wireguard=wireguard, sabotage=sabotage),
        )
        self._addresses = iter(range(_FIRST_CLIENT, _LAST_CLIENT + 1))
        self._organizations = itertools.count(1)
        self._lock = threading.Lock()

    def __enter__(self) -> World:
        try:
            self.service.start()
        except BaseException:
            self.lab.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            # Whether a broken service ends well is no question.
            if self.service.options.sabotage is None:
                self.service.stop()
        finally:
            self.lab.close()

    def client(self, name: str) -> Host:
        """A customer's machine on the underlay, without a tunnel yet."""
        address = self.free_address()
        host = self.lab.host(f"{name}-{address.rpartition('.')[2]}")
        self.lab.connect(host, self.internet, f"{address}/24")
        return host

    def bare_host(self) -> tuple[Host, str]:
        """A host that forwards and has nothing of the service, with its address on the underlay."""
        address = self.free_address()
        host = self.lab.router(f"router-{address.rpartition('.')[2]}")
        self.lab.connect(host, self.internet, f"{address}/24")
        return host, address

    def free_address(self) -> str:
        """An address of the underlay that nobody has, and that nobody else gets."""
        with self._lock:
            return f"192.0.2.{next(self._addresses)}"

    def organization(
        self,
        record: Record,
        name: str | None = None,
        *,
        network: str | None = None,
        new_host: Callable[[str], Host] | None = None,
    ) -> Mesh:
        """Signs an organization up, on the paid plan, with no machine yet.

        Args:
            new_host: where its machines are made; `client` if None.
        """
        with self._lock:
            number = next(self._organizations)
        api = self.service.api()
        api.sign_up(f"owner{number}@example.net", PASSWORD, name or f"organization-{number}", network)
        api.call("PATCH", "/organization", {"plan": "paid"})
        return Mesh(api, new_host or self.client, record)
