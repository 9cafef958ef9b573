"""Pings are bounded: one of an organization at a time, and a few of all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network

import pytest

from appliance.hub.errors import Crowded, HubError, LinkError
from appliance.hub.names import KernelNames, Names
from appliance.hub.plane.pings import AT_ONCE, Pings
from appliance.model.desired import Desired, Peer, PeerStatus
from tests.waiting import DEADLINE

MACHINE = Peer("m", "key", IPv4Address("10.100.0.2"))
NAMES = Names("abc")


def state(organization: str) -> Desired | None:
    if organization == "gone":
        return None
    return Desired(organization, IPv4Network("10.100.0.0/16"), 51820, "key", b"", b"", peers=(MACHINE,))


def heard(_: str) -> list[PeerStatus]:
    return [PeerStatus(MACHINE.public_key, 0, 0, 0, "192.0.2.1:51820")]


class Slow:
    """Round trips that last until they may end."""

    def __init__(self) -> None:
        self.entered, self.may_end = threading.Semaphore(0), threading.Event()

    def __call__(self, names: KernelNames, hub: IPv4Address, machine: IPv4Address) -> float | None:
        assert names.link.startswith("mw")
        assert (hub, machine) == (IPv4Address("10.100.0.1"), MACHINE.address)
        self.entered.release()
        assert self.may_end.wait(DEADLINE)
        return 0.002


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(AT_ONCE + 1) as made:
        yield made


def test_one_ping_of_an_organization_runs_at_a_time(pool: ThreadPoolExecutor) -> None:
    slow = Slow()
    pings = Pings(NAMES, state, heard, slow)
    first = pool.submit(pings.ping, "a", "m")
    assert slow.entered.acquire(timeout=DEADLINE)
    with pytest.raises(Crowded, match="your organization"):
        pings.ping("a", "m")
    slow.may_end.set()
    assert first.result() == pytest.approx(2)
    assert pings.ping("a", "m") == pytest.approx(2)
    assert pings.figures() == {"answered": 2, "silent": 0, "refused": 1, "failed": 0}


def test_pings_of_all_organizations_are_bounded(pool: ThreadPoolExecutor) -> None:
    slow = Slow()
    pings = Pings(NAMES, state, heard, slow, patience_s=0.0)
    running: list[Future[float | None]] = [pool.submit(pings.ping, f"o{number}", "m") for number in range(AT_ONCE)]
    for _ in running:
        assert slow.entered.acquire(timeout=DEADLINE)
    with pytest.raises(Crowded, match="others"):
        pings.ping("another", "m")
    slow.may_end.set()
    assert [each.result() for each in running] == [pytest.approx(2)] * AT_ONCE
    assert pings.ping("another", "m") is not None


def test_a_failed_ping_makes_room() -> None:
    def fail(*_: object) -> float | None:
        raise LinkError("no link")

    pings = Pings(NAMES, state, heard, fail)
    for _ in range(AT_ONCE + 1):
        with pytest.raises(LinkError):
            pings.ping("a", "m")
    assert pings.figures()["failed"] == AT_ONCE + 1


def test_a_machine_that_never_came_is_sent_nothing() -> None:
    """Nor is another machine's endpoint taken for its own."""
    others = PeerStatus("another key", 1, 1, 1, "192.0.2.1:51820")
    for known in ([], [others], [PeerStatus(MACHINE.public_key, 0, 0, 0, ""), others]):
        slow = Slow()
        slow.may_end.set()
        pings = Pings(NAMES, state, {"a": known}.__getitem__, slow)
        assert pings.ping("a", "m") is None
        assert not slow.entered.acquire(blocking=False)
        assert pings.figures() == {"answered": 0, "silent": 1, "refused": 0, "failed": 0}


@pytest.mark.parametrize(("organization", "machine"), [("gone", "m"), ("a", "other"), ("a", "")])
def test_only_machines_of_the_organization_are_pinged(organization: str, machine: str) -> None:
    with pytest.raises(HubError, match="no such machine"):
        Pings(NAMES, state, heard, Slow()).ping(organization, machine)
