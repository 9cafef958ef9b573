"""A running service whose database is gone for a while refuses clearly, enforces on, and recovers by itself."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.client.api import Api
from harness.world.customer import Customer
from netlab import Lab, LabHost, wg_quick
from tests.appliance.cli.started import PORT, Run, call, children, fetch, start, wait_for_health
from tests.appliance.databases import on_postgresql
from tests.appliance.members import PASSWORD
from tests.appliance.postgres import Cluster
from tests.waiting import DEADLINE, wait_until

pytestmark = pytest.mark.long

HUB = "192.0.2.1"


@pytest.fixture
def machines() -> Iterator[list[LabHost]]:
    """Provides two hosts on a network with this one, which is `HUB` there."""
    with Lab() as lab:
        wire = lab.switch("wire")
        hosts = [lab.host(name) for name in ("mumbai", "pune")]
        for number, host in enumerate(hosts, 2):
            lab.connect(host, wire, f"192.0.2.{number}/24")
        lab.connect_here(wire, f"{HUB}/24")
        yield hosts


def join(host: LabHost, name: str, token: str) -> dict[str, str]:
    """Adds a machine, and brings its tunnel up."""
    status, made = call("POST", "/api/v1/machines", {"name": name}, token)
    assert status == 201, made
    wg_quick(host, made["config"], "mesh.conf").wait_for_handshake(DEADLINE)
    machine: dict[str, str] = made["machine"]
    return machine


@on_postgresql
def test_a_running_service_survives_the_loss_of_its_database(
    data: Path, runs: list[Run], database: str, cluster: Cluster, machines: list[LabHost]
) -> None:
    run = start(runs, data, f"--endpoint={HUB}", f"--database-url={database}", "--trusted-source=127.0.0.1/32")
    run.wait_until_ready()
    status, signed_up = call(
        "POST",
        "/api/v1/signup",
        {"email": "owner@acme.example", "password": PASSWORD, "organization": "acme"},
    )
    assert status == 201, signed_up
    token = signed_up["token"]
    mumbai, pune = machines
    one, two = (join(host, name, token) for host, name in zip(machines, ("mumbai", "pune"), strict=True))
    ends = {"source": f"machine:{one['id']}", "destination": f"machine:{two['id']}"}
    assert mumbai.ping(two["address"], timeout=DEADLINE)
    policy = {"default": "allow", "rules": [{"action": "deny", **ends}]}
    assert call("PUT", "/api/v1/policy", policy, token)[0] == 200
    before = [call("GET", f"/api/v1{path}", None, token) for path in ("/policy", "/organization")]

    def is_enforced() -> bool:
        """Checks that the one machine can connect to the other, and not the other way round."""
        return bool(pune.ping(one["address"], timeout=DEADLINE)) and not mumbai.ping(two["address"], timeout=0.3)

    assert is_enforced()
    customer = Customer(lambda: Api(f"https://127.0.0.1:{PORT}", data / "tls" / "certificate.pem"), "bolt", seed=3)
    ended = threading.Event()

    def keep_changing() -> None:
        while not ended.is_set():
            customer.step()

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(keep_changing)
        try:
            wait_until(lambda: customer.done > 5 or working.done())
            cluster.stop()
            try:
                for method, path, body in (
                    ("PUT", "/policy", {"default": "allow", "rules": []}),
                    ("POST", "/machines", {"name": "kolkata"}),
                    ("DELETE", "/organization", {"confirm": "acme"}),
                    ("GET", "/machines", None),
                    ("POST", "/sessions", {"email": "owner@acme.example", "password": PASSWORD}),
                ):
                    refused = fetch(method, f"/api/v1{path}", body, token)
                    assert (refused.status, refused.headers["Content-Type"]) == (503, "application/problem+json")
                    assert int(refused.headers["Retry-After"]) > 0
                assert fetch("GET", "/login").status == 200
                assert fetch("GET", "/readyz").status == 503
                assert is_enforced()
                # Nor does it take the processes that learned it from the store.
                for pid in children(run.process.pid).values():
                    os.kill(pid, signal.SIGKILL)
                assert is_enforced()
            finally:
                cluster.start()
            wait_for_health("/readyz")
            enough = customer.done + 5
            wait_until(lambda: customer.done > enough or working.done())
        finally:
            ended.set()
        working.result()
    assert customer.look() == customer.state
    after = [call("GET", f"/api/v1{path}", None, token) for path in ("/policy", "/organization")]
    assert after == before
    assert is_enforced()
    assert call("PUT", "/api/v1/policy", {"default": "allow", "rules": []}, token)[0] == 200
    assert mumbai.ping(two["address"], timeout=DEADLINE)
    assert run.process.poll() is None
    assert run.stop() == 0
