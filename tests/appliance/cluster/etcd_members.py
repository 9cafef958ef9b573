"""Real etcd in a lab: three members, each on a host of its own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance.cluster.errors import EtcdUnreachable
from appliance.cluster.etcd import Endpoint, Etcd
from netlab import Lab, LabHost, Process, Switch
from tests.waiting import wait_until

_CLIENTS, _PEERS = 2379, 2380
_NETWORK = "198.51.100"


class EtcdMembers:
    """Members of etcd on a switch.

    Attributes:
        hosts: their hosts, in the order of `endpoints`.
        endpoints: their addresses for clients.
    """

    def __init__(self, lab: Lab, switch: Switch, folder: Path, count: int = 3) -> None:
        addresses = {f"etcd{number}": f"{_NETWORK}.{100 + number}" for number in range(1, count + 1)}
        self.endpoints = [Endpoint(address, _CLIENTS) for address in addresses.values()]
        self.hosts: list[LabHost] = []
        self.processes: list[Process] = []
        peers = ",".join(f"{name}=http://{address}:{_PEERS}" for name, address in addresses.items())
        for name, address in addresses.items():
            host = lab.host(name)
            lab.connect(host, switch, f"{address}/24")
            self.hosts.append(host)
            self.processes.append(
                host.start(
                    "etcd",
                    *("--name", name, "--data-dir", folder / name, "--log-level", "warn"),
                    *("--initial-cluster", peers, "--initial-advertise-peer-urls", f"http://{address}:{_PEERS}"),
                    *("--listen-peer-urls", f"http://{address}:{_PEERS}"),
                    *("--listen-client-urls", f"http://{address}:{_CLIENTS}"),
                    *("--advertise-client-urls", f"http://{address}:{_CLIENTS}"),
                    log="etcd",
                )
            )

    def log(self) -> str:
        """Returns what the members have written."""
        return "\n".join(each.log_text() for each in self.processes)


@contextmanager
def members(lab: Lab, switch: Switch) -> Iterator[EtcdMembers]:
    """Starts etcd and waits until it answers; skips the test if the machine has none."""
    if shutil.which("etcd") is None:
        pytest.skip("no etcd is installed: deploy/hubs/prove installs it")
    # In memory: each renewal of a test would wait for the disk, for which other tests wait as well.
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="etcd-") as folder:
        made = EtcdMembers(lab, switch, Path(folder))
        asking = lab.host("asking")
        lab.connect(asking, switch, f"{_NETWORK}.99/24")
        etcd = asking.in_network(lambda: Etcd(made.endpoints, 1.0))
        wait_until(lambda: asking.in_network(lambda: _answers(etcd)), made.log)
        yield made


def _answers(etcd: Etcd) -> bool:
    try:
        return etcd.holder("none") is None
    except EtcdUnreachable:
        return False
