"""The lab that scenarios run in: an underlay, the service on it, and room for customers' machines."""

from __future__ import annotations

import itertools
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType

import httpx

from harness.client.api import Api, ApiError
from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive
from harness.overlay.mesh import Mesh
from harness.subject.installed import Installed, OverSsh
from harness.subject.live import Live, LiveService
from harness.subject.service import Broken, Service, ServiceOptions
from harness.subject.translation import URL, Translation
from harness.target import Stops, Target
from netlab import Host, Lab, LabHost

# RFC 5737: addresses for documentation, which no real network has.
UNDERLAY = "192.0.2.0/24"
HUB = "192.0.2.1"
OFFICE = "192.0.2.250"
PROXY = "192.0.2.251"
PASSWORD = "correct horse battery"  # noqa: S105 - of customers that live as long as the lab
_FIRST_CLIENT, _LAST_CLIENT = 2, 249


class World:
    """A lab with the service in it, or with a way to one. Who runs the scenarios sits on its underlay.

    Args:
        wireguard: the hub's implementation.
        broken: what stands in for the service to show that scenarios notice it, or None.
        seed: makes the run's choices; the same seed makes the same ones.
        patience: how many times slower than a usual machine this one is, for what is the machine's and not the hub's.
        live: the service, if the lab has none of its own.
        hub: another hub, which takes the service's place.
    """

    def __init__(
        self,
        *,
        wireguard: str = "auto",
        broken: Broken | None = None,
        seed: int = 0,
        patience: float = 1.0,
        live: Live | None = None,
        hub: Callable[[LabHost, str], Target] | None = None,
    ) -> None:
        self.seed = seed
        self.patience = patience
        self.lab = Lab()
        self.internet = self.lab.switch("internet")
        self._hub_host = self.lab.host("hub")
        self.lab.connect(self._hub_host, self.internet, f"{HUB}/24")
        self.lab.connect_here(self.internet, f"{OFFICE}/24")
        self._live: LiveService | None = None
        self._way: Live | None = None
        self._over_ssh: OverSsh | None = None
        self._service: Service | None = None
        self._target: Target | None = None
        self._translation: Translation | None = None
        if hub is not None:
            self._target = hub(self._hub_host, HUB)
            self._translation = Translation(self._target)
        elif live is not None:
            self._way = live
            self._live = LiveService(live, self.lab, self._hub_host, HUB)
        else:
            self._service = Service(
                self._hub_host,
                ServiceOptions(
                    address=HUB,
                    trusted=[f"{OFFICE}/32"],
                    proxies=[f"{PROXY}/32"],
                    wireguard=wireguard,
                    broken=broken,
                ),
            )
        self._addresses = iter(range(_FIRST_CLIENT, _LAST_CLIENT + 1))
        self._organizations = itertools.count(1)
        # Somebody else's service keeps its customers from run to run.
        self._run = secrets.token_hex(4)
        self._owned: list[Api] = []
        self._proxy: LabHost | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> World:
        try:
            if self._service is not None:
                self._service.start()
            if self._live is not None:
                self._live.__enter__()
            if self._target is not None:
                self._target.__enter__()
        except BaseException:
            self.lab.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            # Whether a broken service ends well is no question.
            if self._service is not None and self._service.options.broken is None:
                self._service.stop()
            self.leave()
            if self._over_ssh is not None:
                self._over_ssh.close()
            if self._live is not None:
                self._live.__exit__(kind, error, trace)
            if self._target is not None:
                self._target.__exit__(kind, error, trace)
        finally:
            self.lab.close()

    @property
    def service(self) -> Service:
        """The service that the lab has.

        Raises:
            Inconclusive: somebody else runs it, or the hub is another one.
        """
        if self._target is not None:
            raise Inconclusive("it takes the service's own processes, files and commands, and --hub names another hub")
        if self._service is None:
            lacks = "it takes what the service's own host shows, and --target names one that others run"
            more = self._way is not None and self._way.ssh is not None
            raise Inconclusive(f"{lacks}; a shell there is not enough" if more else lacks)
        return self._service

    @property
    def installed(self) -> Installed:
        """The service as root on its host has it.

        Raises:
            Inconclusive: nobody is, or the hub is another one.
        """
        if self._way is None or self._way.ssh is None:
            return self.service
        with self._lock:
            if self._over_ssh is None:
                self._over_ssh = OverSsh(self._way)
        return self._over_ssh

    @property
    def inside(self) -> Host:
        """The host that the hub runs on, for programs of its own. Raises as `installed` does."""
        return self.installed.host if self._target is None else self._hub_host

    @property
    def hub_host(self) -> LabHost:
        """The same where it is a host of the lab.

        Raises:
            Inconclusive: somebody else has it.
        """
        return self.service.host if self._target is None else self._hub_host

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """The hub is down for as long as ``with`` lasts; others find it running, whatever comes of it.

        Raises:
            Inconclusive: nobody here can stop it.
        """
        stops: Stops
        if self._target is None:
            stops = self.installed
        elif isinstance(self._target, Stops):
            stops = self._target
        else:
            raise Inconclusive("the hub that is gated can't be stopped")
        stops.stop()
        try:
            yield
        finally:
            stops.start()

    def check_may_attack(self) -> None:
        """Make sure that nobody but this run is harmed where a hub is attacked.

        Raises:
            Inconclusive: others run the service, and gave no leave to damage it.
        """
        if self._way is not None and self._way.ssh is None:
            raise Inconclusive("it attacks the hub, which --target names, while others use it")

    @property
    def endpoint_host(self) -> str:
        """What configurations have to name as the hub; of somebody else's service, what the first one named."""
        return HUB if self._live is None else self._live.endpoint_host

    @property
    def hub_address(self) -> str:
        """Where machines reach the hub."""
        return HUB if self._live is None else self._live.hub_address

    def api(self) -> Api:
        """A customer's connection to the service, signed in as nobody."""
        if self._translation is not None:
            return Api(URL, transport=self._translation)
        return self.service.api() if self._live is None else self._live.api()

    def client(self, name: str) -> LabHost:
        """A customer's machine on the underlay, without a tunnel yet."""
        address = self.free_address()
        host = self.lab.host(f"{name}-{address.rpartition('.')[2]}")
        self.lab.connect(host, self.internet, f"{address}/24")
        if self._live is not None:
            self._live.lead(host)
        return host

    def proxy(self) -> LabHost:
        """A host whose word the service takes on the address that a request comes from.

        Raises:
            Inconclusive: somebody else decides whose word that is.
        """
        _ = self.service
        with self._lock:
            if self._proxy is None:
                self._proxy = self.lab.host("proxy")
                self.lab.connect(self._proxy, self.internet, f"{PROXY}/24")
            return self._proxy

    def bare_host(self) -> tuple[LabHost, str]:
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
        email: str | None = None,
        network: str | None = None,
        new_host: Callable[[str], LabHost] | None = None,
    ) -> Mesh:
        """Signs an organization up, on the paid plan, with no machine yet.

        Args:
            email: the owner's.
            new_host: where its machines are made; `client` if None.
        """
        with self._lock:
            number = next(self._organizations)
        api = self.api()
        owner = email or f"owner{number}-{self._run}@example.net"
        signed_up = api.sign_up(owner, PASSWORD, name or f"organization-{number}", network)
        if self._service is None:
            self._owned.append(api)
        if self._live is not None:
            self._live.meet(signed_up.body["organization"]["endpoint"])
        if self._target is None:
            api.call("PATCH", "/organization", {"plan": "paid"})
        return Mesh(api, new_host or self.client, record)

    def stand_up(self) -> None:
        """The lab's own service is up again for the next scenario, whatever became of the last one."""
        if self._service is not None:
            self._service.stand_up()

    def leave(self) -> None:
        """Deletes what was signed up at somebody else's; what can't be is theirs to find by its owner's address."""
        while self._owned:
            api = self._owned.pop()
            with suppress(ApiError, httpx.TransportError):
                api.call("DELETE", "/organization", {"confirm": api.call("GET", "/organization").body["name"]})
