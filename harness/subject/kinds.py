"""Three kinds of hub: the lab's own service, a service that runs elsewhere, another product."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, suppress
from types import TracebackType
from typing import Any

import httpx

from harness.client.api import Api, ApiError
from harness.judging.verdicts import Inconclusive
from harness.subject import postgresql
from harness.subject.fault_watch import FaultWatch
from harness.subject.installed import Installed, OverSsh
from harness.subject.live import Live, LiveService
from harness.subject.options import Build, ServiceOptions
from harness.subject.service import Service
from harness.subject.subject import Site, Subject
from harness.subject.translation import URL, Translation
from harness.target import Stops, Target
from netlab import Host, LabHost

NEEDS_HOST = "it needs the service's own host, and --target names one that others run"
NEEDS_MORE_THAN_A_SHELL = f"{NEEDS_HOST}; a shell there is not enough"


class OwnService(Subject):
    """A service that the lab starts for itself.

    Args:
        wireguard: implementation to use: a value of the service's ``--wireguard``.
        broken: sabotaged service to start in its place; None for the product itself.
        product: the product itself, for forks of it; None if it is always a program.
        endpoint: name that machines know the hub by; None for its address.
        has_postgresql: True to store in PostgreSQL, where this machine can run it.
        release: makes an older release of the service, by its name in the catalogue of sabotages; None for none.

    Attributes:
        store: its store in words.
    """

    def __init__(
        self,
        site: Site,
        *,
        wireguard: str = "auto",
        broken: Build | None = None,
        product: Build | None = None,
        endpoint: str | None = None,
        has_postgresql: bool = False,
        release: Callable[[str], Build] | None = None,
    ) -> None:
        super().__init__(site, "")
        self._address = site.address
        self._endpoint = endpoint
        missing = postgresql.why_not(site.host) if has_postgresql else None
        self.store = "PostgreSQL" if has_postgresql and missing is None else "SQLite"
        if missing is not None:
            self.store += f", because PostgreSQL, which was chosen, is not possible here: {missing}"
        self._is_broken = broken is not None
        self._service = Service(
            site.host,
            ServiceOptions(
                address=site.address,
                trusted=[f"{site.office}/32"],
                proxies=[f"{site.proxy}/32"],
                wireguard=wireguard,
                broken=broken,
                product=product,
                endpoint=endpoint,
                has_postgresql=has_postgresql and missing is None,
                release=release,
            ),
        )
        self._watch = FaultWatch(self._service.whole_log, self._service.metrics, lambda: self._service.bad_ends)
        if broken is None:
            self._service.before_stop = self._look_before_stop

    def __enter__(self) -> OwnService:
        self._service.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A sabotaged service may not end properly; the end of the lab kills it.
        if self._is_broken:
            return
        if error is None:
            self._watch.settle()
        self._service.stop()
        if error is None:
            self._watch.check_end()

    def api(self) -> Api:
        """Opens an API connection that is not signed in."""
        return self._service.api()

    @property
    def address(self) -> str:
        """Address that machines of the lab send to."""
        return self._address

    @property
    def endpoint_host(self) -> str:
        """Host that the endpoint in a configuration has to name."""
        return self._endpoint or self.site.address

    def be_reached_at(self, address: str) -> None:
        """Has machines reach the hub at another address of its host, which its name leads to."""
        self._address = address

    @property
    def service(self) -> Service:
        """The service."""
        return self._service

    def without_faults(self, announced: Collection[str]) -> AbstractContextManager[None]:
        """Watches the service's log and counters; see `Subject.without_faults`."""
        return self._watch.without_faults(announced)

    def _look_before_stop(self) -> None:
        # What a service that does not answer has counted is lost. Its log is not.
        with suppress(httpx.TransportError, ApiError):
            self._watch.look()

    def ensure_running(self) -> None:
        """Starts the service if a scenario left it stopped."""
        self._service.ensure_running()

    def wireguard(self) -> str:
        """Returns name and version of the WireGuard implementation that the service uses."""
        return self._service.wireguard()


class RemoteService(Subject):
    """A service that runs elsewhere. A host of the lab has its address and relays to it.

    Args:
        live: the service, with a shell on its host if there is one.
    """

    is_borrowed = True

    def __init__(self, site: Site, live: Live) -> None:
        super().__init__(site, NEEDS_HOST if live.ssh is None else NEEDS_MORE_THAN_A_SHELL)
        self._live = live
        self._service = LiveService(live, site.lab, site.host, site.address)
        self._over_ssh: OverSsh | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> RemoteService:
        self._service.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._over_ssh is not None:
            self._over_ssh.close()
        self._service.__exit__(kind, error, trace)

    def api(self) -> Api:
        """Opens an API connection that is not signed in."""
        return self._service.api()

    @property
    def installed(self) -> Installed:
        """The service through a shell on its host.

        Raises:
            Inconclusive: there is no shell.
        """
        if self._live.ssh is None:
            return self.service
        with self._lock:
            if self._over_ssh is None:
                self._over_ssh = OverSsh(self._live)
        return self._over_ssh

    @property
    def address(self) -> str:
        """Address that machines of the lab send to."""
        return self._service.hub_address

    @property
    def endpoint_host(self) -> str:
        """Host in the first organization's endpoint; "" before there is one."""
        return self._service.endpoint_host

    def check_may_attack(self) -> None:
        """Checks that the owner gave this run a shell, and with it permission to damage the service.

        Raises:
            Inconclusive: there is no shell.
        """
        if self._live.ssh is None:
            raise Inconclusive("it attacks the hub, which --target names, while others use it")

    def add_route(self, client: Host) -> None:
        """Gives a host of the lab a route to the hub."""
        self._service.add_route(client)

    def admit(self, api: Api, organization: Mapping[str, Any]) -> None:
        """Relays datagrams to the organization's endpoint, and changes its plan to paid."""
        self._service.relay_endpoint(organization["endpoint"])
        super().admit(api, organization)


class ForeignHub(Subject):
    """Another product's hub, on a host of the lab.

    Args:
        make: class of the hub; see `harness.target.Target`.
    """

    is_borrowed = True

    def __init__(self, site: Site, make: Callable[[LabHost, str], Target]) -> None:
        super().__init__(site, "it needs the service's own processes, files and commands, and --hub names another hub")
        self._target = make(site.host, site.address)
        self._translation = Translation(self._target)

    def __enter__(self) -> ForeignHub:
        self._target.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._target.__exit__(kind, error, trace)

    def api(self) -> Api:
        """Opens an API connection whose requests the target answers."""
        return Api(URL, transport=self._translation)

    @property
    def host(self) -> LabHost:
        """Host of the lab that the hub runs on."""
        return self.site.host

    @property
    def lab_host(self) -> LabHost:
        """Host of the lab that the hub runs on."""
        return self.site.host

    def _stops(self) -> Stops:
        if not isinstance(self._target, Stops):
            raise Inconclusive("the hub that is gated can't be stopped")
        return self._target

    def admit(self, api: Api, organization: Mapping[str, Any]) -> None:
        """Does nothing, since another product has no plans."""
