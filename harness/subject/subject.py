"""Base class of the hubs that scenarios measure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from harness.client.api import Api
from harness.judging.verdicts import Inconclusive
from harness.subject.installed import Installed
from harness.subject.service import Service
from harness.target import Stops
from netlab import Host, Lab, LabHost
from reports.addresses import in_brackets


@dataclass(frozen=True)
class Site:
    """Place of the hub in a lab.

    Attributes:
        host: host of the hub, or of the relay to a hub that runs elsewhere.
        address: the host's address on the lab's underlay.
        office: address whose log-ins the service doesn't limit.
        proxy: address of a reverse proxy that the service trusts.
    """

    lab: Lab
    host: LabHost
    address: str
    office: str
    proxy: str


class Subject:
    """A hub that scenarios measure, for as long as ``with`` lasts.

    Each kind of hub overrides the members that it supports. The others raise `Inconclusive`, since a scenario that
    needs them shows nothing about that hub.

    Args:
        lacks: reason of `Inconclusive` for a hub whose processes, files and commands the lab can't reach.

    Attributes:
        is_borrowed: True if the hub outlives the run, which then has to delete its organizations.
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
        """Opens an API connection that is not signed in."""
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
        """The service with root access to its host.

        Raises:
            Inconclusive: the run has no root access there, or the hub is another product.
        """
        return self.service

    @property
    def host(self) -> Host:
        """Host that the hub runs on.

        Raises:
            Inconclusive: the run has no root access there, or the hub is another product.
        """
        return self.installed.host

    @property
    def lab_host(self) -> LabHost:
        """Host of the lab that the hub runs on.

        Raises:
            Inconclusive: the hub runs elsewhere.
        """
        return self.service.host

    @property
    def address(self) -> str:
        """Address that machines of the lab send to."""
        return self.site.address

    @property
    def endpoint_host(self) -> str:
        """Host that the endpoint in a configuration has to name."""
        return self.site.address

    def peer_of(self, endpoint: str) -> str:
        """Returns the endpoint of a configuration as WireGuard shows it: the hub's address and the port."""
        return f"{in_brackets(self.address)}:{endpoint.rpartition(':')[2]}"

    def be_reached_at(self, address: str) -> None:
        """Has machines reach the hub at another address of its host.

        Raises:
            Inconclusive: the hub is reached in one way only.
        """
        raise Inconclusive(f"the hub is reached in its own way, not at {address}")

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stops the hub for as long as ``with`` lasts, and starts it again even if the block fails.

        Raises:
            Inconclusive: the run can't stop this hub.
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
        """Checks that an attack on the hub harms nobody but this run.

        Raises:
            Inconclusive: others use the hub, and gave no permission to damage it.
        """

    def add_route(self, client: Host) -> None:
        """Gives a host of the lab a route to the hub if it needs one."""

    def admit(self, api: Api, organization: Mapping[str, Any]) -> None:
        """Prepares an organization that has just signed up: the paid plan, and a relay to its endpoint."""
        del organization
        api.call("PATCH", "/organization", {"plan": "paid"})

    def without_faults(self, announced: Collection[str]) -> AbstractContextManager[None]:
        """Watches the hub for faults that it reports of itself, for as long as ``with`` lasts.

        A hub that others use, or whose log the run can't read, is not watched.

        Args:
            announced: how the names of expected faults begin; see `harness.subject.faults`.

        Raises (on leaving the block):
            Refuted: the hub reports a fault that was not announced.
        """
        del announced
        return nullcontext()

    def ensure_running(self) -> None:
        """Starts the lab's own service if a scenario left it stopped."""

    def wireguard(self) -> str:
        """Returns name and version of the hub's WireGuard implementation; "" if unknown."""
        return ""
