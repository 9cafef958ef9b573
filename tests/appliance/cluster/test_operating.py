"""Many hubs as their operator starts and moves them, and as a customer uses them."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.cluster.etcd import Etcd, SocketAddress
from appliance.cluster.owner import Owner, owner_key
from appliance.store import Store
from tests.appliance.cluster.hub_hosts import knows_endpoints
from tests.appliance.cluster.up_hosts import SHARD_ADDRESS, HubHost, World, up_hosts
from tests.appliance.databases import on_postgresql
from tests.waiting import DEADLINE, wait_until

pytestmark = pytest.mark.full


@pytest.fixture
def world(database: str, tmp_path: Path) -> Iterator[World]:
    """Two hosts with `meshwg up` and one shard."""
    with up_hosts(tmp_path) as made:
        made.begin(database)
        yield made


@on_postgresql
def test_a_customer_notices_the_loss_of_a_host_for_seconds(world: World, store: Store) -> None:
    name = world.owner(world.hubs[0])
    first, second = sorted(world.hubs, key=lambda each: each.name != name)
    # The pages of either host reach the owner.
    world.sign_up(second)
    wait_until(world.reaches, world.logs)
    wait_until(lambda: knows_endpoints(store, {world.organization: len(world.machines)}), world.logs)
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
    assert first.refusal("hub", "add", SHARD_ADDRESS, "51821") == 64
    assert first.refusal("census") == 78
    assert first.refusal("rotate-unlock-secret", "--new-secret-file=/run/new-secret") == 75
    first.meshwg("hub", "join", second.name)
    # A hub that gives its shard up ends as it should, and another one waits in its place.
    assert "a process has done its work and is started again" in world.logs()
    assert "ended and is started again" not in world.logs()
    # Its end gives the shard up at once, and removes everything of it.
    assert first.up is not None
    assert first.up.stop(DEADLINE) == 0
    assert first.host.run("ip", "netns").stdout == ""
    assert '"level": "error"' not in first.up.log_text()
    wait_until(lambda: world.owner(second) == second.name, world.logs)
    wait_until(world.reaches, world.logs)


@on_postgresql
def test_the_list_tells_which_host_is_prepared(world: World) -> None:
    name = world.owner(world.hubs[0])
    first, second = sorted(world.hubs, key=lambda each: each.name != name)

    def prepared() -> str | None:
        (shard,) = json.loads(first.meshwg("hub", "list", "--json"))["shards"]
        return None if shard["prepared"] is None else str(shard["prepared"])

    assert prepared() is None
    assert second.up is not None
    assert second.up.stop(DEADLINE) == 0
    second.environment["MESHWG_STANDBY"] = "on"
    second.start()
    wait_until(lambda: prepared() == second.name, world.logs)
    assert f"{first.name}, {second.name} is prepared\n" in first.meshwg("hub", "list")


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
    endpoints = [SocketAddress(host, int(port)) for host, _, port in (each.partition(":") for each in members)]

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
