"""Lab that scenarios run in: an underlay, the hub on it, and hosts for customers' machines."""

from __future__ import annotations

import itertools
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import httpx

from harness.client.api import Api, ApiError
from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive
from harness.overlay.canary import Canary
from harness.overlay.machine import Machine
from harness.overlay.mesh import HANDSHAKE_DEADLINE, Mesh
from harness.overlay.queues import Queues
from harness.subject.kinds import OwnService
from harness.subject.subject import Site, Subject
from harness.wire.loss import lose_handshakes
from harness.wire.reordering import IN_ORDER, Reordering, Way
from harness.world.conditions import Conditions
from netlab import Lab, LabHost
from reports.addresses import in_brackets

# Addresses for documentation (RFC 5737), which no real network has.
HUB = "192.0.2.1"
ENDPOINT = "vpn.example.net"
"""Name of the hub, which leads to its address of the family that machines use."""
OFFICE = "192.0.2.250"
PROXY = "192.0.2.251"
PASSWORD = "correct horse battery"  # noqa: S105 - for customers that exist as long as the lab
_PROXY_NAME = "proxy"
_FIRST_CLIENT, _LAST_CLIENT = 2, 249
_HUB_6 = "2001:db8::1"  # For documentation too (RFC 3849).
_LOSSY_DEADLINE_S = HANDSHAKE_DEADLINE + 5.0
"""Another REKEY_TIMEOUT: beside the message that the lab loses, a busy machine may lose one."""


class World:
    """A lab with a hub in it. This process has an address on its underlay.

    Args:
        make_subject: makes the hub at its site.
        seed: seed of the run's choices.
        patience: factor by which this machine is slower than usual; lengthens deadlines that depend on the machine.
    """

    def __init__(
        self, make_subject: Callable[[Site], Subject] = OwnService, *, seed: int = 0, patience: float = 1.0
    ) -> None:
        self.seed = seed
        self.patience = patience
        self.lab = Lab()
        self.internet = self.lab.switch("internet")
        host = self.lab.host("hub")
        self._hub_link = self.lab.connect(host, self.internet, f"{HUB}/24", f"{_HUB_6}/64")
        self.lab.name(ENDPOINT, HUB)
        self.lab.connect_here(self.internet, f"{OFFICE}/24")
        self.subject = make_subject(Site(self.lab, host, HUB, OFFICE, PROXY))
        self._addresses = iter(range(_FIRST_CLIENT, _LAST_CLIENT + 1))
        self._organizations = itertools.count(1)
        # A service outside of the lab keeps its customers between runs.
        self._run = secrets.token_hex(4)
        self._owned: list[Api] = []
        self._lock = threading.Lock()
        self._conditions = Conditions()
        self._way: Way = IN_ORDER

    def __enter__(self) -> World:
        try:
            self.subject.__enter__()
        except BaseException:
            self.lab.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.delete_organizations()
            self.subject.__exit__(kind, error, trace)
        finally:
            with suppress(Inconclusive):
                self.part()
            self.lab.close()

    def meet(self, conditions: Conditions) -> dict[str, str]:
        """Changes the conditions under which further machines reach the hub by its name, `ENDPOINT`.

        Returns:
            The conditions in words.

        Raises:
            Inconclusive: the hub is reached in one way only.
        """
        with suppress(Inconclusive):
            self.part()
        address = HUB if conditions.outside == "IPv4" else _HUB_6
        self.subject.be_reached_at(address)
        self.lab.name(ENDPOINT, address)
        self._conditions = conditions
        impossible = lose_handshakes(self.lab, self._hub_link, conditions.loss)
        words = conditions.in_words()
        if impossible is not None:
            words["lost"] = f"nothing, because nftables can't here: {impossible}"
        if conditions.reorder != "none":
            try:
                self._way = Reordering(self.lab, self._hub_link)
            except OSError as error:
                words["reordered"] = f"nothing, because this machine can't: {error}"
        return words

    def part(self) -> dict[str, str]:
        """Ends the reordering, if there is any, and returns in words what it came to.

        Raises:
            Inconclusive: nothing was reordered although there was enough to, or the lab lost messages.
        """
        way, self._way = self._way, IN_ORDER
        return way.close()

    @property
    def captures(self) -> Path:
        """Folder for captures that are evidence, made when there is one."""
        return self.lab.folder / "counterexamples"

    def client(self, name: str) -> LabHost:
        """Makes a host for a customer's machine on the underlay, with the family of the conditions and no tunnel."""
        number, address = self._free_place()
        host = self.lab.host(f"{name}-{number}")
        self.lab.connect(host, self.internet, address)
        self.subject.add_route(host)
        return host

    def proxy(self) -> LabHost:
        """Makes a host at the address of the service's trusted proxy.

        Raises:
            Inconclusive: the lab does not run the service.
        """
        _ = self.subject.service
        with self._lock:
            if _PROXY_NAME not in self.lab.hosts:
                self.lab.connect(self.lab.host(_PROXY_NAME), self.internet, f"{PROXY}/24")
            return self.lab.hosts[_PROXY_NAME]

    def router(self) -> tuple[LabHost, str]:
        """Makes a host that forwards; returns it with its address on the underlay, of the conditions' family."""
        number, address = self._free_place()
        host = self.lab.router(f"router-{number}")
        self.lab.connect(host, self.internet, address)
        return host, address.partition("/")[0]

    def canary(self, source: Machine, destination: Machine, record: Record, interval_s: float) -> Canary:
        """Makes a stream between two machines through a bare hub beside the hub; see `Canary`.

        Args:
            interval_s: seconds between packets.
        """
        router, address = self.router()
        wireguard = self.subject.wireguard()
        return Canary(router, in_brackets(address), source.host, destination.host, record, interval_s, wireguard)

    def queues(self, *machines: Machine) -> Queues:
        """Makes a watch over the queues of hub and machines; see `Queues`. A hub that runs elsewhere is left out."""
        ends = [(each.host, each.tunnel.interface) for each in machines]
        try:
            return Queues(self.subject.lab_host, ends)
        except Inconclusive:
            return Queues(None, ends)

    def free_address(self) -> str:
        """Returns an unused IPv4 address of the underlay, and never returns it again."""
        with self._lock:
            return f"192.0.2.{next(self._addresses)}"

    def _free_place(self) -> tuple[int, str]:
        """Returns an unused number, and with it an address of the conditions' family with prefix length."""
        address = self.free_address()
        number = int(address.rpartition(".")[2])
        return number, f"{address}/24" if self._conditions.outside == "IPv4" else f"2001:db8::{number:x}/64"

    def organization(
        self,
        record: Record,
        name: str | None = None,
        *,
        email: str | None = None,
        network: str | None = None,
        new_host: Callable[[str], LabHost] | None = None,
    ) -> Mesh:
        """Signs up an organization on the paid plan, without machines.

        Args:
            record: takes the figures of its machines.
            name: name of the organization; None for a numbered one.
            email: address of the owner; None for one that no other run uses.
            network: range of the machines' addresses; None for the service's default.
            new_host: makes the hosts of its machines; None for `client`.
        """
        with self._lock:
            number = next(self._organizations)
        api = self.subject.api()
        owner = email or f"owner{number}-{self._run}@example.net"
        signed_up = api.sign_up(owner, PASSWORD, name or f"organization-{number}", network)
        if self.subject.is_borrowed:
            self._owned.append(api)
        self.subject.admit(api, signed_up.body["organization"])
        deadline = HANDSHAKE_DEADLINE if self._conditions.loss == "none" else _LOSSY_DEADLINE_S
        return Mesh(api, new_host or self.client, record, deadline, self._way)

    def delete_organizations(self) -> None:
        """Deletes the run's organizations on a hub that outlives the run. Skips those that can't be deleted."""
        while self._owned:
            api = self._owned.pop()
            with suppress(ApiError, httpx.TransportError):
                api.call("DELETE", "/organization", {"confirm": api.call("GET", "/organization").body["name"]})
