"""Hosts in a lab on which `meshwg up` runs, as their operator starts them, and a customer's machines."""

from __future__ import annotations

import json
import os
import signal
import ssl
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

from netlab import Lab, LabHost, Link, Process, Switch, UdpStream, wg_quick
from tests.appliance.cluster.authority import Authority
from tests.appliance.cluster.etcd_members import EtcdMembers, members
from tests.appliance.members import PASSWORD
from tests.waiting import DEADLINE, wait_until

SHARD_ADDRESS = "192.0.2.100"
"""Address of the only shard."""

_PORT = 51820
_PAGES = 8443
_STREAM = 9000


@dataclass
class HubHost:
    """A host on which `meshwg up` runs."""

    host: LabHost
    public: Link
    inner: Link
    environment: dict[str, str]
    up: Process | None = None

    @property
    def name(self) -> str:
        return self.host.name

    def start(self) -> None:
        """Starts `up`, and waits until it is up."""
        self.up = self.host.start(sys.executable, "-m", "appliance", "up", env=self.environment, log="up")
        self.up.wait_for_log("MeshWG is up", DEADLINE)

    def meshwg(self, *arguments: str) -> str:
        """Runs a command of the operator's, which succeeds; returns its output."""
        return self.host.run(sys.executable, "-m", "appliance", *arguments, env=self.environment).stdout

    def refusal(self, *arguments: str) -> int:
        """Runs a command that is refused in one sentence; returns the exit code."""
        done = self.host.run(sys.executable, "-m", "appliance", *arguments, check=False, env=self.environment)
        assert done.stderr.startswith("meshwg: "), done.stderr
        assert done.stdout == ""
        return done.returncode

    def lose_power(self) -> None:
        """Ends every program at once, with the links down."""
        self.public.down()
        self.inner.down()
        end_all(self.host)


@dataclass
class World:
    """Hosts, and the customer's machines, with the session of an organization once it has signed up.

    Attributes:
        internet, inner: the switch of machines and visitors, and that of the hosts.
        addresses, ids: of the machines in their organization, in the order of `machines`.
    """

    lab: Lab
    internet: Switch
    inner: Switch
    etcd: EtcdMembers
    hubs: list[HubHost]
    machines: list[LabHost]
    authority: Authority
    organization: str = ""
    token: str = ""
    addresses: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)

    def call(self, hub: HubHost, method: str, path: str, body: Any = None) -> tuple[int, Message, Any]:
        """Makes a call from a machine to the API of a host; returns status, headers and JSON."""
        where = hub.public.addresses[0].partition("/")[0]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        headers = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {self.token}"} if self.token else {}
        )

        def ask() -> tuple[int, Message, Any]:
            connection = HTTPSConnection(where, _PAGES, context=context, timeout=DEADLINE)
            try:
                connection.request(method, path, None if body is None else json.dumps(body), headers)
                response = connection.getresponse()
                return response.status, response.headers, json.loads(response.read() or b"null")
            finally:
                connection.close()

        return self.machines[0].in_network(ask)

    def made(self, hub: HubHost, path: str, body: Any) -> Any:
        """Makes something by a call that succeeds."""
        status, _, found = self.call(hub, "POST", path, body)
        assert status == 201, found
        return found

    def sign_up(self, hub: HubHost) -> None:
        """Signs an organization up, and connects the machines by the configurations that it gets."""
        wishes = {"email": "owner@many.example", "password": PASSWORD, "organization": "many"}
        found = self.made(hub, "/api/v1/signup", wishes)
        self.organization, self.token = found["organization"]["id"], found["token"]
        # The free plan is for two machines.
        assert self.call(hub, "PATCH", "/api/v1/organization", {"plan": "paid"})[0] == HTTPStatus.OK
        for number, host in enumerate(self.machines):
            machine = self.made(hub, "/api/v1/machines", {"name": f"machine{number}"})
            self.ids.append(machine["machine"]["id"])
            text = machine["config"]
            assert f"Endpoint            = {SHARD_ADDRESS}:{_PORT}\n" in text
            wg_quick(host, text)
            line = next(line for line in text.splitlines() if line.startswith("Address"))
            self.addresses.append(line.partition("=")[2].strip().partition("/")[0])

    def begin(self, database: str) -> None:
        """Starts every host over a database, and makes a shard; returns when that has an owner.

        Args:
            database: its URL, as each host reaches it.
        """
        for hub in self.hubs:
            hub.environment["MESHWG_DATABASE_URL"] = database
            hub.start()
        self.hubs[0].meshwg("hub", "add", SHARD_ADDRESS, str(_PORT))
        wait_until(lambda: self.owner(self.hubs[0]) is not None, self.logs)

    def reaches(self) -> bool:
        return bool(self.machines[0].ping(self.addresses[1], timeout=1.0, interval=0.05))

    def stream(self, receiver: int = 1) -> UdpStream:
        """Makes a stream from the first machine to another one."""
        return UdpStream(self.machines[0], self.machines[receiver], self.addresses[receiver], _STREAM, interval_s=0.01)

    def owner(self, asked: HubHost) -> str | None:
        """Name of the only shard's owner, as a host's operator sees it."""
        found = json.loads(asked.meshwg("hub", "list", "--json"))["shards"]
        return None if found[0]["owner"] is None else str(found[0]["owner"])

    def logs(self) -> str:
        return "\n".join(each.up.log_text() for each in self.hubs if each.up is not None)

    def save(self, hub: HubHost, default: str) -> tuple[int, Message, Any]:
        return self.call(hub, "PUT", "/api/v1/policy", {"default": default, "rules": []})


def end_all(host: LabHost) -> None:
    """Kills every program of a host at once, as the loss of its power does."""
    for pid in host.processes():
        if pid != host.pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@contextmanager
def up_hosts(folder: Path, machines: int = 2) -> Iterator[World]:
    """Makes two hosts, on which nothing runs yet, with etcd.

    Args:
        machines: number of the customer's machines.
    """
    secret = folder / "unlock-secret"
    secret.write_text("a secret for tests that opens nothing else\n")
    secret.chmod(0o600)
    authority = Authority(folder / "authority")
    with Lab() as lab, ExitStack() as stack:
        internet, inner = lab.switch("internet"), lab.switch("inner")
        etcd = stack.enter_context(members(lab, inner, authority))
        # The web process, another user, has to get to its store.
        data = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        data.chmod(0o755)
        made = World(lab, internet, inner, etcd, [], [], authority)
        for number in (1, 2):
            host = lab.host(f"hub{number}")
            public = lab.connect(host, internet, f"192.0.2.{number}/24")
            link = lab.connect(host, inner, f"198.51.100.{number}/24")
            identity = authority.identity(host.name)
            identity.key.chmod(0o600)
            environment = {
                "MESHWG_DATA": str(data / host.name),
                "MESHWG_LISTEN": f"192.0.2.{number}:{_PAGES}",
                "MESHWG_UNLOCK_SECRET_FILE": str(secret),
                "MESHWG_ETCD": ",".join(f"{each.host}:{each.port}" for each in etcd.endpoints),
                "MESHWG_HOST_NAME": host.name,
                "MESHWG_HOST_ADDRESS": f"198.51.100.{number}",
                "MESHWG_HOST_CA": str(identity.authority),
                "MESHWG_HOST_CERT": str(identity.certificate),
                "MESHWG_HOST_KEY": str(identity.key),
                "MESHWG_ANNOUNCE": f"lan:{public.interface}",
                "MESHWG_LOG": "json",
            }
            made.hubs.append(HubHost(host, public, link, environment))
        for number in range(1, machines + 1):
            machine = lab.host(f"machine{number}")
            lab.connect(machine, internet, f"192.0.2.{10 + number}/24")
            made.machines.append(machine)
        yield made
