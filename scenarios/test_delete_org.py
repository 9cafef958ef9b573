"""Deleting an organization removes everything that belonged to it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress

import httpx
import pytest

from harness.client.api import Api
from harness.judging.record import Record
from harness.judging.verdicts import Refuted
from harness.overlay.judged_stream import JudgedStream
from harness.overlay.mesh import Mesh
from harness.subject import remains
from harness.subject.installed import Installed
from harness.world.damage import KILLED
from harness.world.world import PASSWORD, World
from netlab import wait_until

pytestmark = pytest.mark.claim("delete-org")

MARK = "zzyzx"
SILENCE = 0.5
INTERVAL_S = 0.002
DEADLINE = 60.0


def test_a_deleted_organization_leaves_nothing(world: World, record: Record) -> None:
    """From the answer on, tunnels of a deleted organization are dead, and its sessions and accounts are unknown;
    nothing of it is left on the host, in the store and in files.

    The operator's census, the host's own tools and every byte of the service's files show the same before the
    organization and after it. The stream of another organization loses nothing meanwhile.
    """
    other = world.organization(record)
    kolkata, delhi = other.machines("kolkata", "delhi")
    # Its hub's process is there before, and afterwards too.
    bare = world.canary(kolkata, delhi, record, INTERVAL_S)
    census, host = world.subject.installed.census(), remains.on_host(world.subject.host)
    email = f"{MARK}-owner@example.net"
    mesh, second = _sign_up(world, record, email)
    mumbai, pune = mesh.machines(f"{MARK}-mumbai", f"{MARK}-pune", groups=[[f"{MARK}-office"], []])
    mesh.save("allow", [{"action": "deny", "source": f"group:{MARK}-office", "destination": "any", "protocol": "tcp"}])
    traces = [MARK, mesh.organization["id"], mesh.organization["hub_public_key"], mumbai.id]
    traces += [each["public_key"] for each in mesh.api.call("GET", "/machines").body["machines"]]
    with record.control("everything that is searched for exists before"):
        assert set(remains.in_files(world.subject.installed, traces)) == set(traces)
        assert world.subject.installed.census().keys() - census.keys() == {mesh.organization["id"]}
        assert len(remains.on_host(world.subject.host) - host) > len(("a namespace", "a socket", "a rule"))
        assert second.send("GET", "/organization").status == httpx.codes.OK

    # Its own hub will answer no fence after the deletion, so the other organization's does.
    fence = kolkata.fence
    with (
        world.queues(kolkata, delhi, mumbai, pune) as queues,
        bare as canary,
        kolkata.stream_to(delhi, interval=INTERVAL_S, canary=canary, queues=queues) as others,
        JudgedStream(
            mumbai.host, pune.host, pune.address, record, "mumbai→pune", INTERVAL_S, fence, canary=canary, queues=queues
        ) as own,
    ):
        with record.control("both organizations' streams flow before"):
            others.flows()
            own.flows()
        deleted = mesh.api.call("DELETE", "/organization", {"confirm": mesh.organization["name"]})
        own.stops(deleted)
        others.flows()
    if mumbai.host.ping(mesh.hub_address, timeout=SILENCE):
        raise Refuted("the hub answers a machine of an organization that is deleted")
    removed = deleted.body["removed"]
    record.measure("rows removed", sum(removed.values()))
    if (removed["machines"], removed["rules"], removed["members"], removed["tokens"]) != (2, 1, 1, 2):
        raise Refuted(f"two machines, a rule, a person and two sessions were removed, and the answer says {removed}")

    record.none_of("on the host", sorted(remains.on_host(world.subject.host) ^ host), "the hub's host is not as before")
    strays = remains.in_census(census, world.subject.installed.census())
    record.none_of("in the census", strays, "the census is not as before")
    record.none_of("in files", remains.in_files(world.subject.installed, traces), "the service's files still have")
    for api in (mesh.api, second):
        status = api.send("GET", "/organization").status
        if status != httpx.codes.UNAUTHORIZED:
            raise Refuted(f"a session outlived its organization: GET /organization was answered {status}")
    status = second.anonymous().send("POST", "/sessions", {"email": email, "password": PASSWORD}).status
    if status != httpx.codes.UNAUTHORIZED:
        raise Refuted(f"an account outlived its organization: a log-in was answered {status}")
    if MARK in world.subject.installed.log_text():
        raise Refuted("the service's log names what was deleted")
    again, _ = _sign_up(world, record, email)
    again.api.call("DELETE", "/organization", {"confirm": again.organization["name"]})


@pytest.mark.announces(*KILLED)
def test_a_deletion_that_is_cut_off_is_finished(world: World, record: Record) -> None:
    """The web process is killed before the hub has answered a deletion; the next web process finishes it by itself."""
    host = remains.on_host(world.subject.host)
    mesh, watcher = _sign_up(world, record, f"{MARK}-cut@example.net")
    mesh.add("left-behind")
    started = world.subject.installed.children("web")
    deletion = threading.Thread(target=_ask_to_delete, args=(mesh,))
    with _stopped(world.subject.installed):
        deletion.start()
        _wait_for_status(watcher, {httpx.codes.NOT_FOUND}, "the deletion does not begin")
        with record.control("the deletion was cut off in the middle"):
            assert remains.on_host(world.subject.host) != host
        world.subject.installed.signal(started, signal.SIGKILL)
        deletion.join()
    start = time.monotonic()
    _wait_for_status(watcher, {httpx.codes.UNAUTHORIZED}, "a deletion that was cut off is not finished")
    record.measure("cut off to finished", time.monotonic() - start, "s")
    record.none_of("on the host", sorted(remains.on_host(world.subject.host) ^ host), "the hub's host is not as before")
    left = world.subject.installed.census()
    if mesh.organization["id"] in left:
        raise Refuted(f"the census still has the organization: {left[mesh.organization['id']]}")


def _sign_up(world: World, record: Record, email: str) -> tuple[Mesh, Api]:
    """Signs up a marked organization, and returns it with a second session of its owner."""
    mesh = world.organization(record, f"{MARK} networks", email=email)
    second = mesh.api.anonymous()
    second.token = second.call("POST", "/sessions", {"email": email, "password": PASSWORD}).body["token"]
    return mesh, second


def _ask_to_delete(mesh: Mesh) -> None:
    # The process that would answer is killed meanwhile.
    with suppress(httpx.TransportError):
        mesh.api.send("DELETE", "/organization", {"confirm": mesh.organization["name"]})


@contextmanager
def _stopped(service: Installed) -> Iterator[None]:
    """Stops the hub's process (SIGSTOP) while the block runs."""
    known = service.children("hub")
    try:
        service.signal(known, signal.SIGSTOP)
        yield
    finally:
        service.signal(known, signal.SIGCONT)


def _wait_for_status(api: Api, wanted: Collection[int], failure: str) -> None:
    """Asks for the organization until the answer has one of these statuses.

    Raises:
        Refuted: no answer has one within `DEADLINE`.
    """

    def is_answered() -> bool:
        try:
            return api.send("GET", "/organization").status in wanted
        except httpx.TransportError:
            return False

    if not wait_until(is_answered, DEADLINE):
        raise Refuted(f"{failure} in {DEADLINE:.0f} s")
