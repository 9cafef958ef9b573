"""The three kinds of hub: a service of the lab's own, one that runs elsewhere, another product."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from harness.client.api import Api
from harness.judging.verdicts import Inconclusive
from harness.subject.installed import Installed, OverSsh
from harness.subject.live import Live, LiveService
from harness.subject.service import Broken, Service, ServiceOptions
from harness.subject.subject import Site, Subject
from harness.subject.translation import URL, Translation
from harness.target import Stops, Target
from netlab import Host, LabHost


class OwnService(Subject):
    """A service that the lab starts for itself.

    Args:
        wireguard: implementation for it to use, as ``--wireguard`` takes it.
        broken: started in its place to show that scenarios notice the break, or None.
    """

    def __init__(self, site: Site, *, wireguard: str = "auto", broken: Broken | None = None) -> None:
        super().__init__(site, "")
        self._is_broken = broken is not None
        self._service = Service(
            site.host,
            ServiceOptions(
                address=site.address,
                trusted=[f"{site.office}/32"],
                proxies=[f"{site.proxy}/32"],
                wireguard=wireguard,
                broken=broken,
            ),
        )

    def __enter__(self) -> OwnService:
        self._service.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Nobody asks whether a broken service ends well.
        if not self._is_broken:
            self._service.stop()

    def api(self) -> Api:
        """Open a customer's connection, signed in as nobody."""
        return self._service.api()

    @property
    def service(self) -> Service:
        """The service itself."""
        return self._service

    def stand_up(self) -> None:
        """Start the service where a scenario left it down."""
        self._service.stand_up()

    def wireguard(self) -> str:
        """WireGuard implementation that the service uses, with its version."""
        return self._service.wireguard()


class RemoteService(Subject):
    """A service that runs elsewhere, which a host of the lab stands for.

    Args:
        live: the way to it, and to a shell on its host if there is one.
    """

    is_borrowed = True

    def __init__(self, site: Site, live: Live) -> None:
        lacks = "it takes what the service's own host shows, and --target names one that others run"
        super().__init__(site, lacks if live.ssh is None else f"{lacks}; a shell there is not enough")
        self._way = live
        self._live = LiveService(live, site.lab, site.host, site.address)
        self._over_ssh: OverSsh | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> RemoteService:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._over_ssh is not None:
            self._over_ssh.close()
        self._live.__exit__(kind, error, trace)

    def api(self) -> Api:
        """Open a customer's connection, signed in as nobody."""
        return self._live.api()

    @property
    def installed(self) -> Installed:
        """The service through a shell on its host.

        Raises:
            Inconclusive: there is no shell.
        """
        if self._way.ssh is None:
            return self.service
        with self._lock:
            if self._over_ssh is None:
                self._over_ssh = OverSsh(self._way)
        return self._over_ssh

    @property
    def address(self) -> str:
        """The address that machines of the lab send to."""
        return self._live.hub_address

    @property
    def endpoint_host(self) -> str:
        """The host that the first organization's endpoint named; "" before there is one."""
        return self._live.endpoint_host

    def check_may_attack(self) -> None:
        """Raise `Inconclusive` unless its owner gave this run a shell, and with it leave to damage it."""
        if self._way.ssh is None:
            raise Inconclusive("it attacks the hub, which --target names, while others use it")

    def lead(self, client: Host) -> None:
        """Give a host of the lab a route to the hub."""
        self._live.lead(client)

    def admit(self, api: Api, organization: Mapping[str, Any]) -> None:
        """Pass datagrams on to the hub that the organization was told of, and take the paid plan."""
        self._live.meet(organization["endpoint"])
        super().admit(api, organization)


class ForeignHub(Subject):
    """Another product's hub, on a host of the lab.

    Args:
        make: its class, as `harness.target.Target` describes it.
    """

    is_borrowed = True

    def __init__(self, site: Site, make: Callable[[LabHost, str], Target]) -> None:
        super().__init__(site, "it takes the service's own processes, files and commands, and --hub names another hub")
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
        """Open a customer's connection, whose calls the target answers."""
        return Api(URL, transport=self._translation)

    @property
    def host(self) -> LabHost:
        """The host of the lab that the hub runs on."""
        return self.site.host

    @property
    def lab_host(self) -> LabHost:
        """The host of the lab that the hub runs on."""
        return self.site.host

    def _stops(self) -> Stops:
        if not isinstance(self._target, Stops):
            raise Inconclusive("the hub that is gated can't be stopped")
        return self._target

    def admit(self, api: Api, organization: Mapping[str, Any]) -> None:
        """Do nothing: another product has no plans."""
