"""Real etcd in a lab: three members, each on a host of its own."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance.cluster.errors import EtcdUnreachable
from appliance.cluster.etcd import Etcd, Identity, SocketAddress
from netlab import Lab, LabHost, Process, Switch
from tests.appliance.cluster.authority import Authority
from tests.appliance.cluster.example import installed
from tests.waiting import DEADLINE, wait_until

_CLIENTS, _PEERS = 2379, 2380
_NETWORK = "198.51.100"


class EtcdMembers:
    """Members of etcd on a switch; with an authority, they answer its hosts only.

    Attributes:
        hosts: their hosts, in the order of `endpoints`.
        processes: the running ones, in this order as well.
        endpoints: their addresses for clients.
    """

    def __init__(self, lab: Lab, switch: Switch, folder: Path, authority: Authority | None) -> None:
        addresses = {f"etcd{number}": f"{_NETWORK}.{100 + number}" for number in (1, 2, 3)}
        protocol = "http" if authority is None else "https"
        self.endpoints = [SocketAddress(address, _CLIENTS) for address in addresses.values()]
        self.hosts: list[LabHost] = []
        self._commands: list[tuple[str | Path, ...]] = []
        peers = ",".join(f"{name}=http://{address}:{_PEERS}" for name, address in addresses.items())
        for name, address in addresses.items():
            host = lab.host(name)
            lab.connect(host, switch, f"{address}/24")
            self.hosts.append(host)
            self._commands.append(
                (
                    *("--name", name, "--data-dir", folder / name, "--log-level", "warn"),
                    *("--initial-cluster", peers, "--initial-advertise-peer-urls", f"http://{address}:{_PEERS}"),
                    *("--listen-peer-urls", f"http://{address}:{_PEERS}"),
                    *("--listen-client-urls", f"{protocol}://{address}:{_CLIENTS}"),
                    *("--advertise-client-urls", f"{protocol}://{address}:{_CLIENTS}"),
                    *(() if authority is None else _tls(authority.identity(name, address))),
                )
            )
        self.processes = [self._started(number) for number in range(len(addresses))]

    def kill(self, number: int) -> None:
        """Ends a member without a word; its data stays."""
        self.processes[number].signal(signal.SIGKILL)
        self.processes[number].wait(DEADLINE)

    def start(self, number: int) -> None:
        """Starts a member that was killed."""
        self.processes[number] = self._started(number)

    def _started(self, number: int) -> Process:
        return self.hosts[number].start("etcd", *self._commands[number], log="etcd")

    def log(self) -> str:
        """Returns what the members have written."""
        return "\n".join(each.log_text() for each in self.processes)


def _tls(identity: Identity) -> tuple[str | Path, ...]:
    own = ("--cert-file", identity.certificate, "--key-file", identity.key)
    return (*own, "--trusted-ca-file", identity.authority, "--client-cert-auth")


@contextmanager
def members(lab: Lab, switch: Switch, authority: Authority | None = None) -> Iterator[EtcdMembers]:
    """Starts etcd and waits until it answers; skips the test if the machine has none."""
    installed("etcd")
    # In memory: each renewal of a test would wait for the disk, for which other tests wait as well.
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="etcd-") as folder:
        made = EtcdMembers(lab, switch, Path(folder), authority)
        asking = lab.host("asking")
        lab.connect(asking, switch, f"{_NETWORK}.99/24")
        client = None if authority is None else authority.client("asking")
        etcd = asking.in_network(lambda: Etcd(made.endpoints, 1.0, client))
        wait_until(lambda: asking.in_network(lambda: _answers(etcd)), made.log)
        yield made


def _answers(etcd: Etcd) -> bool:
    try:
        return etcd.holder("none") is None
    except EtcdUnreachable:
        return False
