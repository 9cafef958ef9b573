"""The hub that scenarios measure, whichever kind it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from harness.client.api import Api
from harness.judging.verdicts import Inconclusive
from harness.subject.installed import Installed
from harness.subject.service import Service
from harness.target import Stops
from netlab import Host, Lab, LabHost


@dataclass(frozen=True)
class Site:
    """The place of the hub in a lab.

    Attributes:
        host: runs the hub, or stands for one that runs elsewhere.
        address: of the host, on the lab's underlay.
        office: address whose log-ins the service doesn't limit.
        proxy: address of a reverse proxy that the service believes.
    """

    lab: Lab
    host: LabHost
    address: str
    office: str
    proxy: str


class Subject:
    """A hub that scenarios measure, for as long as ``with`` lasts.

    Each kind of hub overrides what it has. What it lacks raises `Inconclusive`, since a scenario that needs it shows
    nothing about that hub.

    Args:
        lacks: why there is no service whose processes, files and commands the lab has, in words.

    Attributes:
        is_borrowed: it outlives the run, which has to delete its organizations.
    """

    is_borrowed = False

    def __init__(self, site: Site, lacks: str) -> None:
        self.site = site
        self._lacks = lacks

    def __enter__(self) -> Subject:
        raise NotImplementedError

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError

    def api(self) -> Api:
        """Open a customer's connection, signed in as nobody."""
        raise NotImplementedError

    @property
    def service(self) -> Service:
        """The product's service, as a process of the lab.

        Raises:
            Inconclusive: the lab does not run it.
        """
        raise Inconclusive(self._lacks)

    @property
    def installed(self) -> Installed:
        """The service as root on its host sees it.

        Raises:
            Inconclusive: nobody here is root there, or the hub is another product.
        """
        return self.service

    @property
    def host(self) -> Host:
        """The host that the hub runs on, for programs of its own. Raises as `installed` does."""
        return self.installed.host

    @property
    def lab_host(self) -> LabHost:
        """The host of the lab that the hub runs on.

        Raises:
            Inconclusive: it runs elsewhere.
        """
        return self.service.host

    @property
    def address(self) -> str:
        """The address that machines of the lab send to."""
        return self.site.address

    @property
    def endpoint_host(self) -> str:
        """The host that configurations have to name as the hub."""
        return self.site.address

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop the hub for as long as ``with`` lasts; it runs again afterwards, whatever comes of it.

        Raises:
            Inconclusive: nobody here can stop it.
        """
        stops = self._stops()
        stops.stop()
        try:
            yield
        finally:
            stops.start()

    def _stops(self) -> Stops:
        return self.installed

    def check_may_attack(self) -> None:
        """Make sure that nobody but this run is harmed where the hub is attacked.

        Raises:
            Inconclusive: others use it, and gave no leave to damage it.
        """

    def lead(self, client: Host) -> None:
        """Give a host of the lab a route to the hub, where the underlay is not enough."""

    def admit(self, api: Api, organization: Mapping[str, Any]) -> None:
        """Prepare an organization that has just signed up: the paid plan, and a way to its hub."""
        del organization
        api.call("PATCH", "/organization", {"plan": "paid"})

    def stand_up(self) -> None:
        """Start the lab's own service where a scenario left it down."""

    def wireguard(self) -> str:
        """WireGuard implementation of the hub with its version; "" where it can't be told."""
        return ""
