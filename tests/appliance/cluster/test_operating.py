"""Many hubs as their operator starts and moves them, and as a customer uses them."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import pytest

from appliance.cluster.etcd import Endpoint, Etcd
from appliance.cluster.owner import Owner, owner_key
from appliance.store import Store, machines
from netlab import Lab, LabHost, Link, Process, UdpStream, wg_quick
from tests.appliance.cluster.authority import Authority
from tests.appliance.cluster.etcd_members import members
from tests.appliance.databases import on_postgresql
from tests.waiting import DEADLINE, wait_until

_ADDRESS, _PORT = "192.0.2.100", 51820
_PAGES = 8443
_STREAM = 9000

pytestmark = pytest.mark.full


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
        for pid in self.host.processes():
            if pid != self.host.pid:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


@dataclass
class World:
    """Hosts, and the customer's machines, with the session of an organization once it has signed up."""

    store: Store
    hubs: list[HubHost]
    machines: list[LabHost]
    authority: Authority
    organization: str = ""
    token: str = ""
    addresses: list[str] = field(default_factory=list)

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
        wishes = {"email": "owner@many.example", "password": "correct horse battery", "organization": "many"}
        found = self.made(hub, "/api/v1/signup", wishes)
        self.organization, self.token = found["organization"]["id"], found["token"]
        for number, host in enumerate(self.machines):
            text = self.made(hub, "/api/v1/machines", {"name": f"machine{number}"})["config"]
            assert f"Endpoint            = {_ADDRESS}:{_PORT}\n" in text
            wg_quick(host, text)
            line = next(line for line in text.splitlines() if line.startswith("Address"))
            self.addresses.append(line.partition("=")[2].strip().partition("/")[0])

    def knows_endpoints(self) -> bool:
        """Tells whether the store has an endpoint of each machine, to which another owner would turn."""
        with self.store.read() as transaction:
            return len(machines.endpoints(transaction, self.organization)) == len(self.machines)

    def reaches(self) -> bool:
        return bool(self.machines[0].ping(self.addresses[1], timeout=1.0, interval=0.05))

    def stream(self) -> UdpStream:
        return UdpStream(self.machines[0], self.machines[1], self.addresses[1], _STREAM, interval_s=0.01)

    def owner(self, asked: HubHost) -> str | None:
        """Name of the only shard's owner, as a host's operator sees it."""
        found = json.loads(asked.meshwg("hub", "list", "--json"))["shards"]
        return None if found[0]["owner"] is None else str(found[0]["owner"])

    def logs(self) -> str:
        return "\n".join(each.up.log_text() for each in self.hubs if each.up is not None)

    def save(self, hub: HubHost, default: str) -> tuple[int, Message, Any]:
        return self.call(hub, "PUT", "/api/v1/policy", {"default": default, "rules": []})


@pytest.fixture
def world(database: str, store: Store, tmp_path: Path) -> Iterator[World]:
    """Two hosts with `meshwg up` and one shard."""
    secret = tmp_path / "unlock-secret"
    secret.write_text("a secret for tests that opens nothing else\n")
    secret.chmod(0o600)
    authority = Authority(tmp_path / "authority")
    with Lab() as lab, ExitStack() as stack:
        internet, inner = lab.switch("internet"), lab.switch("inner")
        etcd = stack.enter_context(members(lab, inner, authority))
        # The web process, another user, has to get to its store.
        data = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        data.chmod(0o755)
        made = World(store, [], [], authority)
        for number in (1, 2):
            host = lab.host(f"hub{number}")
            public = lab.connect(host, internet, f"192.0.2.{number}/24")
            link = lab.connect(host, inner, f"198.51.100.{number}/24")
            identity = authority.identity(host.name)
            identity.key.chmod(0o600)
            environment = {
                "MESHWG_DATA": str(data / host.name),
                "MESHWG_LISTEN": f"192.0.2.{number}:{_PAGES}",
                "MESHWG_DATABASE_URL": database,
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
        for number in (1, 2):
            machine = lab.host(f"machine{number}")
            lab.connect(machine, internet, f"192.0.2.{10 + number}/24")
            made.machines.append(machine)
        for hub in made.hubs:
            hub.start()
        made.hubs[0].meshwg("hub", "add", _ADDRESS, str(_PORT))
        wait_until(lambda: made.owner(made.hubs[0]) is not None, made.logs)
        yield made


@on_postgresql
def test_a_customer_notices_the_loss_of_a_host_for_seconds(world: World) -> None:
    name = world.owner(world.hubs[0])
    first, second = sorted(world.hubs, key=lambda each: each.name != name)
    # The pages of either host reach the owner.
    world.sign_up(second)
    wait_until(world.reaches, world.logs)
    wait_until(world.knows_endpoints, world.logs)
    with world.stream() as stream:
        stream.wait_delivery(time.monotonic_ns(), DEADLINE)
        first.lose_power()
        status, headers, _ = world.save(second, "deny")
        assert (status, bool(headers["Retry-After"])) == (503, True)
        wait_until(lambda: world.owner(second) == second.name, world.logs)
        wait_until(lambda: bool(stream.received_since(time.monotonic_ns() - 50_000_000)), world.logs)
        wait_until(lambda: world.save(second, "deny")[0] == 200, world.logs)
        denied = stream.mark()
        wait_until(lambda: len(stream.sent_in(denied, stream.mark())) > 100)
        assert stream.delivered_sent_in(denied, stream.mark()) == []


@on_postgresql
def test_an_operator_moves_a_shard_and_drains_a_host(world: World) -> None:
    name = world.owner(world.hubs[0])
    first, second = sorted(world.hubs, key=lambda each: each.name != name)
    world.sign_up(first)
    wait_until(world.reaches, world.logs)
    shard = json.loads(first.meshwg("hub", "list", "--json"))["shards"][0]["id"]
    first.meshwg("hub", "move", shard, second.name)
    assert world.owner(first) == second.name
    wait_until(world.reaches, world.logs)
    # Other commands work wherever the shard is.
    first.meshwg("admin", "suspend", "many")
    wait_until(lambda: not world.reaches(), world.logs)
    first.meshwg("admin", "resume", "many")
    wait_until(world.reaches, world.logs)
    first.meshwg("status")
    first.meshwg("hub", "drain", second.name)
    assert world.owner(first) == first.name
    wait_until(world.reaches, world.logs)
    assert first.refusal("hub", "move", shard, second.name) == 64
    assert first.refusal("hub", "move", "no-shard", first.name) == 66
    assert first.refusal("hub", "add", _ADDRESS, "51821") == 64
    assert first.refusal("census") == 78
    assert first.refusal("rotate-unlock-secret", "--new-secret-file=/run/new-secret") == 75
    first.meshwg("hub", "join", second.name)
    # Its end gives the shard up at once, and removes everything of it.
    assert first.up is not None
    assert first.up.stop(DEADLINE) == 0
    assert first.host.run("ip", "netns").stdout == ""
    wait_until(lambda: world.owner(second) == second.name, world.logs)
    wait_until(world.reaches, world.logs)


@on_postgresql
def test_the_unlock_secret_is_rotated_while_no_host_runs(world: World, tmp_path: Path) -> None:
    first, second = world.hubs
    world.sign_up(first)
    wait_until(world.reaches, world.logs)
    new = tmp_path / "new-secret"
    for each in world.hubs:
        assert each.up is not None
        assert each.up.stop(DEADLINE) == 0
    first.meshwg("rotate-unlock-secret", f"--new-secret-file={new}")
    # A host with the former secret does not start.
    assert second.refusal("up") == 78
    for each in world.hubs:
        each.environment["MESHWG_UNLOCK_SECRET_FILE"] = str(new)
        each.start()
    wait_until(world.reaches, world.logs)
    assert world.save(second, "deny")[0] == 200


@on_postgresql
def test_a_host_s_new_certificate_is_taken_by_sighup(world: World) -> None:
    name = world.owner(world.hubs[0])
    first, second = sorted(world.hubs, key=lambda each: each.name != name)
    world.sign_up(second)
    wait_until(world.reaches, world.logs)
    # A busy machine may need longer than the lease lasts to start a hub: then the shard is to come back here.
    first.meshwg("hub", "drain", second.name)
    number = certificate(world, first)
    identity = world.authority.identity(first.name)
    identity.key.chmod(0o600)
    with world.stream() as stream:
        stream.wait_delivery(time.monotonic_ns(), DEADLINE)
        assert first.up is not None
        first.up.signal(signal.SIGHUP)
        wait_until(lambda: certificate(world, first) not in (None, number), world.logs)
        assert world.owner(second) == first.name
        stream.wait_delivery(time.monotonic_ns(), DEADLINE)
    wait_until(lambda: world.save(second, "deny")[0] == 200, world.logs)


def certificate(world: World, hub: HubHost) -> str | None:
    """Returns the serial number of the certificate of the shard's owner; None if there is none that answers."""
    shard = json.loads(hub.meshwg("hub", "list", "--json"))["shards"][0]["id"]
    members, context = hub.environment["MESHWG_ETCD"].split(","), world.authority.client("asking")
    endpoints = [Endpoint(host, int(port)) for host, _, port in (each.partition(":") for each in members)]

    def ask() -> str | None:
        claim = Etcd(endpoints, 1.0, context).holder(owner_key(shard))
        if claim is None:
            return None
        owner = Owner.parse(claim.value)
        try:
            with (
                socket.create_connection((owner.calls.host, owner.calls.port), DEADLINE) as plain,
                context.wrap_socket(plain, server_hostname=owner.name) as connection,
            ):
                return str((connection.getpeercert() or {})["serialNumber"])
        except OSError:
            return None

    return hub.host.in_network(ask)
