"""A hub that etcd does not answer is silent, and goes on if the shard is still its own."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import cast

from appliance.cluster.errors import EtcdUnreachable
from appliance.cluster.etcd import Etcd, LeasedKey, SocketAddress
from appliance.cluster.owner import Owner
from appliance.cluster.tenure import LeaseTiming, Tenure
from tests.waiting import DEADLINE, wait_until

_KEY = "meshwg/shards/1/owner"
_TIMING = LeaseTiming(ttl_s=2, margin_s=0.0, period_s=0.02)


@dataclass
class MadeUpEtcd:
    """One key and its leases, which never end by themselves.

    Attributes:
        is_away: True to answer nothing.
        loses_answers: True to do what is asked, and then not to answer.
    """

    is_away: bool = False
    loses_answers: bool = False
    revision: int = 0
    found: LeasedKey | None = None
    renewed: list[int] = field(default_factory=list)

    def grant(self, ttl_s: int) -> int:
        del ttl_s
        self._answer()
        self.revision += 1
        return self.revision

    def renew_holder(self, key: str, lease: int) -> LeasedKey | None:
        del key
        self._answer()
        self.renewed.append(lease)
        return self.found

    def revoke(self, lease: int) -> None:
        self._answer()
        if self.found is not None and self.found.lease == lease:
            self.found = None

    def holder(self, key: str) -> LeasedKey | None:
        del key
        self._answer()
        return self.found

    def claim(self, key: str, value: str, lease: int) -> LeasedKey | None:
        del key
        self._answer()
        if self.found is None:
            self.revision += 1
            self.found = LeasedKey(value, self.revision, lease, self.revision)
        if self.loses_answers:
            raise EtcdUnreachable("the answer was lost")
        return self.found if self.found.lease == lease else None

    def rewrite(self, key: str, claim: LeasedKey, value: str, lease: int) -> LeasedKey | None:
        del key
        self._answer()
        if self.found is None or (self.found.token, self.found.changed) != (claim.token, claim.changed):
            return None
        self.revision += 1
        self.found = replace(self.found, value=value, lease=lease, changed=self.revision)
        return self.found

    def _answer(self) -> None:
        if self.is_away:
            raise EtcdUnreachable("away")


@dataclass
class MadeUpGate:
    """A gate that the hub alone shuts.

    Attributes:
        is_open: True from an acceptance on.
    """

    is_open: bool = False

    def offer(self, seconds: float) -> None: ...

    def accept(self) -> None:
        self.is_open = True

    def shut(self) -> None:
        self.is_open = False


def tenure(etcd: MadeUpEtcd, gate: MadeUpGate, name: str = "hub1", boot: str = "boot1") -> Tenure:
    return Tenure(cast("Etcd", etcd), _KEY, Owner(name, SocketAddress("192.0.2.1", 1), boot), gate, _TIMING)


def test_a_hub_goes_on_when_etcd_answers_again() -> None:
    etcd, gate, lost = MadeUpEtcd(), MadeUpGate(), threading.Event()
    ours = tenure(etcd, gate)
    assert ours.acquire()
    token = ours.token
    ours.keep(lost.set)
    ours.open()
    etcd.is_away = True
    wait_until(lambda: not gate.is_open)
    before = etcd.found
    etcd.is_away = False
    wait_until(lambda: gate.is_open)
    assert not lost.is_set()
    assert before is not None
    assert etcd.found is not None
    # By a new lease: a renewal of the old one may be answered by a member that has lost its majority.
    assert (etcd.found.token, ours.token) == (token, token)
    assert etcd.found.lease != before.lease
    wait_until(lambda: etcd.renewed[-1:] == [getattr(etcd.found, "lease", None)])
    ours.release()
    assert etcd.found is None
    assert not gate.is_open


def test_a_hub_that_was_followed_meanwhile_has_lost() -> None:
    etcd, gate, lost = MadeUpEtcd(), MadeUpGate(), threading.Event()
    ours = tenure(etcd, gate)
    assert ours.acquire()
    ours.keep(lost.set)
    ours.open()
    etcd.is_away = True
    wait_until(lambda: not gate.is_open)
    etcd.found = LeasedKey("another", 77, 78, 77)
    etcd.is_away = False
    assert lost.wait(DEADLINE)
    assert not gate.is_open
    assert etcd.found.lease == 78


def test_a_shard_acquired_without_an_answer_was_not_ours() -> None:
    """Loses the answer: what an earlier time of ownership left on the host is older than this one."""
    etcd = MadeUpEtcd(loses_answers=True)
    ours = tenure(etcd, MadeUpGate())
    try:
        ours.acquire()
    except EtcdUnreachable:
        etcd.loses_answers = False
    assert etcd.found is not None
    assert not ours.resume()
    assert ours.acquire()
    assert ours.token == etcd.found.token


def test_a_later_process_goes_on_as_the_same_owner() -> None:
    etcd = MadeUpEtcd()
    earlier, later, other = (tenure(etcd, MadeUpGate(), name) for name in ("hub1", "hub1", "hub2"))
    assert earlier.acquire()
    assert not other.resume()
    assert not other.acquire()
    assert later.resume()
    assert later.token == earlier.token


def test_a_host_of_the_same_name_takes_no_lease_that_lives() -> None:
    """Has a clone of the owner's host, which has its name and another boot, start beside it."""
    etcd = MadeUpEtcd()
    owner, clone = tenure(etcd, MadeUpGate()), tenure(etcd, MadeUpGate(), boot="boot2")
    assert owner.acquire()
    before = etcd.found
    assert not clone.resume()
    assert not clone.acquire()
    assert etcd.found == before


def test_the_lease_of_an_earlier_version_is_taken_up() -> None:
    """Has a key that names no boot, as versions before wrote it."""
    etcd = MadeUpEtcd()
    earlier, later = tenure(etcd, MadeUpGate(), boot=""), tenure(etcd, MadeUpGate())
    assert earlier.acquire()
    assert later.resume()
    assert later.token == earlier.token


def test_a_key_is_read_with_and_without_a_boot() -> None:
    owner = Owner("hub1", SocketAddress("192.0.2.1", 1), "boot1")
    assert Owner.parse(owner.text()) == owner
    # As versions before wrote it.
    assert Owner.parse('{"name": "hub1", "host": "192.0.2.1", "port": 1}') == replace(owner, boot="")
