"""A hub whose organizations share one port, and machines with stock WireGuard clients, in a lab."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from scapy.layers.inet import UDP

from appliance.hub.front_door import DoorRepair, FrontDoor
from appliance.hub.names import Names
from appliance.model.keys import KeyPair, new_key_pair
from netlab import Capture, Lab, LabHost, Tunnel, wg_quick, wireguard_implementation
from tests.waiting import DEADLINE

PORT = 51820
HUB4, HUB6 = "192.0.2.1", "2001:db8::1"
HUB_INSIDE = "10.100.0.1"


@dataclass
class Organization:
    """A WireGuard link of the hub, in a namespace of its own; every organization has the same addresses."""

    id: str
    inner_port: int
    keys: KeyPair = field(default_factory=new_key_pair)


@dataclass(frozen=True)
class Element:
    """An element of a set or map.

    Attributes:
        value: value in a map, as nftables writes it.
        ends_in_s: seconds until it expires.
    """

    value: str
    ends_in_s: float


@dataclass
class Machine:
    """A client of one organization."""

    organization: Organization
    host: LabHost
    tunnel: Tunnel
    keys: KeyPair

    def reaches_the_hub(self, timeout: float = DEADLINE, count: int = 1) -> bool:
        """Tells whether pings through the tunnel are answered."""
        return bool(self.host.ping(HUB_INSIDE, count=count, timeout=timeout, interval=0.01))


class World:
    """The hub, its door, and the internet between it and its machines."""

    def __init__(self, lab: Lab, names: Names) -> None:
        self.lab = lab
        self.names = names
        self.internet = lab.switch("internet")
        self.hub = lab.host("hub")
        self.connect(self.hub, 1)
        self.organizations: list[Organization] = []
        self.has_kernel_wireguard = wireguard_implementation(self.hub).startswith("kernel")

    def connect(self, host: LabHost, number: int) -> None:
        """Connects a host to the internet, with an address of each family that ends in this number."""
        interface = self.lab.connect(host, self.internet, f"192.0.2.{number}/24").interface
        host.run("ip", "address", "add", f"2001:db8::{number:x}/64", "dev", interface, "nodad")

    def organization(self) -> Organization:
        """Adds an organization's link to the hub, without admitting it to the door."""
        number = len(self.organizations)
        # Outside of those that the kernel chooses for other sockets, as in the service.
        made = Organization(f"org{number}", 22001 + number)
        link = made.id
        if self.has_kernel_wireguard:
            self.hub.run("ip", "link", "add", link, "type", "wireguard")
        else:
            self.hub.run("wireguard-go", link)
            self.hub.run("sh", "-c", f"for i in $(seq 2500); do wg show {link} && exit; sleep 0.002; done; exit 1")
        self.hub.run(
            "wg", "set", link, "private-key", "/dev/stdin", "listen-port", str(made.inner_port), input=made.keys.private
        )
        self.hub.run("ip", "link", "set", link, "up")
        self.hub.run("ip", "netns", "add", link)
        self.hub.run("ip", "link", "set", link, "netns", link)
        for words in (f"address add {HUB_INSIDE}/16 dev {link}", f"link set {link} up"):
            self.hub.run("ip", "-netns", link, *words.split())
        self.organizations.append(made)
        return made

    def host(self, number: int) -> LabHost:
        """Adds another host on the internet."""
        made = self.lab.host(f"host{number}")
        self.connect(made, number)
        return made

    def machine(self, organization: Organization, number: int, hub: str = HUB4) -> Machine:
        """Adds a host with a client of the organization; its addresses end in this number."""
        return self.client(organization, self.host(number), number, hub)

    def client(self, organization: Organization, host: LabHost, number: int, hub: str = HUB4) -> Machine:
        """Makes a client of the organization on any host."""
        keys, address = new_key_pair(), f"10.100.0.{number}"
        self.wg(organization, "set", organization.id, "peer", keys.public, "allowed-ips", f"{address}/32")
        endpoint = f"[{hub}]:{PORT}" if ":" in hub else f"{hub}:{PORT}"
        tunnel = wg_quick(
            host,
            f"[Interface]\nPrivateKey = {keys.private}\nAddress = {address}/16\nMTU = 1420\n"
            f"[Peer]\nPublicKey = {organization.keys.public}\nEndpoint = {endpoint}\n"
            "AllowedIPs = 10.100.0.0/16\nPersistentKeepalive = 25\n",
        )
        return Machine(organization, host, tunnel, keys)

    @contextmanager
    def answering_the_first_initiation(self, number: int) -> Iterator[None]:
        """Fails unless the first answer to the machine of this number is to its first initiation.

        Left to itself, WireGuard asks again after five seconds, and under another index.
        """
        with Capture(self.hub, "eth0", f"udp and port {PORT} and host 192.0.2.{number}") as capture:
            yield
        sent = [bytes(packet[UDP].payload) for packet in capture.packets()]
        (asked, *_) = [each[4:8] for each in sent if each[0] == 1]
        (answered, *_) = [each[8:12] for each in sent if each[0] == 2]
        assert answered == asked

    def endpoint(self, machine: Machine) -> str:
        """Returns the last endpoint of the machine in the hub's WireGuard."""
        lines = self.wg(machine.organization, "show", machine.organization.id, "endpoints").splitlines()
        return dict(line.split("\t") for line in lines)[machine.keys.public]

    def elements(self, name: str) -> dict[str, Element]:
        """Returns the elements of a set or map of the door, by the key as nftables writes it."""
        table = self.names.door
        kind = "map" if re.search(rf"^\tmap {name} {{", self._terse(), re.MULTILINE) else "set"
        text = self.hub.run("nft", "list", kind, "inet", table, name).stdout
        return {
            key: Element(value or "", _seconds(ends))
            for key, ends, value in _ELEMENT.findall(text.partition("elements = {")[2].replace("\n", " "))
        }

    def _terse(self) -> str:
        return self.hub.run("nft", "--terse", "list", "table", "inet", self.names.door).stdout

    @contextmanager
    def link(self, door: FrontDoor, name: str, port: int) -> Iterator[tuple[Organization, socket.socket]]:
        """Adds an organization whose link is a socket that sends what the test gives it."""
        made = Organization(name, port)
        with self.hub.socket(socket.AF_INET6, socket.SOCK_DGRAM) as link:
            link.settimeout(DEADLINE)
            link.bind(("", port))
            door.admit(name, made.keys.public, port, machines=2)
            yield made, link

    @contextmanager
    def arrivals(self, sender: LabHost) -> Iterator[Callable[[], int]]:
        """Counts the datagrams from a host to the public port that arrive at the hub's own link, before anything else.

        What is sent may be lost on the way: a link's queue in the kernel is a thousand packets for each processor.

        Yields:
            What tells how many there were so far.
        """
        table, address = "arrivals", sender.run("cat", "/sys/class/net/eth0/address").stdout.strip()
        rule = f'iifname "eth0" ether saddr {address} udp dport {PORT} counter'
        chain = f"chain in {{ type filter hook prerouting priority raw - 1; {rule}; }};"
        self.hub.run("nft", "-f", "-", input=f"table inet {table} {{ {chain} }}")
        try:
            yield lambda: int(_PACKETS.findall(self.hub.run("nft", "list", "table", "inet", table).stdout)[0])
        finally:
            self.hub.run("nft", "delete", "table", "inet", table)

    def wg(self, organization: Organization, *words: str) -> str:
        """Returns the output of wg(8) in the organization's namespace, the only one with a link of the kernel."""
        return self.hub.run("ip", "netns", "exec", organization.id, "wg", *words).stdout

    def door(self) -> FrontDoor:
        """Opens a door of this instance in the hub's network, with every organization admitted."""
        made = FrontDoor(self.names, PORT)
        self.open(made)
        return made

    def open(self, door: FrontDoor) -> DoorRepair:
        """Opens a door as the hub's process does at its start; returns what the table needed."""
        repair = self.hub.in_network(door.open)
        for each in self.organizations:
            door.admit(each.id, each.keys.public, each.inner_port)
        door.settle()
        return repair


_PACKETS = re.compile(r"counter packets (\d+)")
_ELEMENT = re.compile(r"(\S+(?: \. \S+)*) (?:limit .*?packets )?(?:timeout \S+ )?expires (\w+)(?: : ([^\s,]+))?")
_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def _seconds(text: str) -> float:
    return sum(int(count) * _UNITS[unit] for count, unit in re.findall(r"(\d+)(ms|d|h|m|s)", text))
