"""Owners are known for a short while, asked for by one caller at a time, and refused at once while etcd is silent."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from appliance.cluster.errors import EtcdUnreachable
from appliance.cluster.etcd import Etcd, LeasedKey, SocketAddress
from appliance.cluster.owner import Owner
from appliance.hub.errors import HubUnreachable
from appliance.hub.rpc.client import HubClient
from appliance.service.latest_owners import LIFE_S, SILENCE_S, LatestOwners
from tests.appliance.clocks import ModuleTime
from tests.waiting import DEADLINE, wait_until

_SHARD = "shard1"


def claim(host: str, token: int) -> LeasedKey:
    return LeasedKey(Owner(host, SocketAddress("192.0.2.1", token)).text(), token, token, token)


@dataclass
class MadeUpEtcd:
    """Stand-in for etcd that has one key.

    Attributes:
        found: the key; None: there is none.
        is_away: True to answer nothing.
        asked: number of questions.
        works: called with each question, before its answer.
    """

    found: LeasedKey | None
    is_away: bool = False
    asked: int = 0
    works: Callable[[], None] = lambda: None

    def holder(self, key: str) -> LeasedKey | None:
        assert _SHARD in key
        self.asked += 1
        self.works()
        if self.is_away:
            raise EtcdUnreachable("away")
        return self.found


@dataclass
class Place:
    """Owners as a web process knows them."""

    etcd: MadeUpEtcd = field(default_factory=lambda: MadeUpEtcd(claim("hub1", 1)))
    clock: ModuleTime = field(default_factory=ModuleTime)
    counted: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.owners = LatestOwners(cast("Etcd", self.etcd), self._client, self._count, self.clock.monotonic)

    def token(self) -> int:
        """Finds the owner, and returns its token."""
        return self.owners.find(_SHARD).claim.token

    def _client(self, shard: str, owner: Owner) -> HubClient:
        assert shard == _SHARD
        return HubClient(Path(owner.name))

    def _count(self, reason: str) -> None:
        self.counted[reason] += 1


@pytest.fixture
def place() -> Place:
    return Place()


def test_an_owner_is_asked_for_again_after_a_while(place: Place) -> None:
    first = place.owners.find(_SHARD)
    place.etcd.found = claim("hub2", 2)
    assert place.owners.find(_SHARD) is first
    assert place.etcd.asked == 1
    place.clock.sleep(LIFE_S)
    second = place.owners.find(_SHARD)
    assert second.claim.token == second.fence.token == 2
    assert second.hub is not first.hub
    place.clock.sleep(LIFE_S)
    # Its connections stay.
    assert place.owners.find(_SHARD).hub is second.hub
    assert place.etcd.asked == 3


def test_an_owner_that_has_none_after_it_is_left(place: Place) -> None:
    place.token()
    place.etcd.found = None
    place.clock.sleep(LIFE_S)
    for _ in range(2):
        with pytest.raises(HubUnreachable, match="no owner"):
            place.token()
    assert place.counted == {"unowned": 2}


def test_others_go_on_while_one_caller_asks(place: Place) -> None:
    place.token()
    place.etcd.found = claim("hub2", 2)
    place.clock.sleep(LIFE_S)
    asks, goes_on = threading.Event(), threading.Event()

    def work() -> None:
        asks.set()
        assert goes_on.wait(DEADLINE)

    place.etcd.works = work
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(place.token)
        assert asks.wait(DEADLINE)
        assert place.token() == 1
        goes_on.set()
        assert asking.result(DEADLINE) == 2
    assert place.token() == 2


def test_a_known_owner_is_called_while_etcd_is_silent(place: Place) -> None:
    place.token()
    place.etcd.is_away = True
    for _ in range(3):
        place.clock.sleep(LIFE_S)
        assert place.token() == 1
    assert place.etcd.asked == 4
    place.etcd.is_away = False
    place.etcd.found = claim("hub2", 2)
    place.clock.sleep(LIFE_S)
    assert place.token() == 2


def test_one_that_is_doubted_is_not_called_unless_named_again(place: Place) -> None:
    first = place.owners.find(_SHARD)
    place.owners.doubt(first)
    again = place.owners.find(_SHARD)
    assert place.etcd.asked == 2
    assert again.hub is first.hub
    place.owners.doubt(again)
    place.etcd.is_away = True
    with pytest.raises(HubUnreachable):
        place.token()
    place.clock.sleep(SILENCE_S)
    place.etcd.is_away, place.etcd.found = False, claim("hub2", 2)
    assert place.token() == 2
    # A late complaint about the former one.
    place.owners.doubt(first)
    assert place.token() == 2
    assert place.etcd.asked == 4


def test_the_present_owner_is_always_asked_for(place: Place) -> None:
    place.token()
    place.etcd.found = claim("hub2", 2)
    assert place.owners.find_present(_SHARD).claim.token == 2
    assert place.token() == 2
    place.etcd.is_away = True
    with pytest.raises(HubUnreachable):
        place.owners.find_present(_SHARD)


def test_callers_are_refused_at_once_while_etcd_is_silent(place: Place) -> None:
    place.etcd.is_away = True
    with pytest.raises(HubUnreachable):
        place.token()
    for _ in range(9):
        with pytest.raises(HubUnreachable, match="a moment ago"):
            place.token()
    assert place.etcd.asked == 1
    place.clock.sleep(SILENCE_S)
    with pytest.raises(HubUnreachable):
        place.token()
    assert place.etcd.asked == 2
    assert place.counted == {"etcd": 11}
    place.etcd.is_away = False
    place.clock.sleep(SILENCE_S)
    assert [place.token(), place.etcd.asked] == [1, 3]


def test_callers_that_wait_behind_a_silence_ask_nothing(place: Place) -> None:
    """Has one caller ask without an answer, and others come meanwhile: these are refused with it, or before."""
    place.etcd.is_away = True
    asks, goes_on = threading.Event(), threading.Event()

    def work() -> None:
        asks.set()
        assert goes_on.wait(DEADLINE)

    place.etcd.works = work
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(place.token)
        assert asks.wait(DEADLINE)
        others = [pool.submit(place.token) for _ in range(8)]
        wait_until(lambda: all(each.running() for each in others))
        goes_on.set()
        for each in (first, *others):
            with pytest.raises(HubUnreachable):
                each.result(DEADLINE)
    assert place.etcd.asked == 1
    # Etcd is known to be silent: while one caller tries again, nobody waits for it.
    asks.clear()
    goes_on.clear()
    place.clock.sleep(SILENCE_S)
    with ThreadPoolExecutor(1) as pool:
        again = pool.submit(place.token)
        assert asks.wait(DEADLINE)
        with pytest.raises(HubUnreachable, match="a moment ago"):
            place.token()
        goes_on.set()
        with pytest.raises(HubUnreachable):
            again.result(DEADLINE)
    assert place.etcd.asked == 2
