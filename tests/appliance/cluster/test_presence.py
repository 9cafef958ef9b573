"""A host stays present among the others, also when the certificate that it was started with has ended."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

from sqlalchemy import Connection

from appliance.cli.errors import CommandError, Exit
from appliance.cli.presence import Presence
from appliance.cluster.errors import EtcdUnreachable
from appliance.cluster.guidance import Guidance
from appliance.store import Store, shards
from appliance.store.shards import Shard
from tests.appliance.databases import on_sqlite
from tests.waiting import wait_until


class FakeGuidance:
    """Stand-in that etcd refuses, or takes."""

    def __init__(self, *, is_refused: bool) -> None:
        self.is_refused = is_refused
        self.shown: list[str] = []
        self.has_left = False

    def show_up(self, host: str) -> None:
        """Notes the host, or fails as with a certificate that has ended."""
        if self.is_refused:
            raise EtcdUnreachable("certificate has expired")
        self.shown.append(host)

    def leave(self) -> None:
        """Notes the end."""
        self.has_left = True


def presence(store: Store, first: FakeGuidance, renewed: Callable[[], FakeGuidance]) -> Presence:
    """Makes the presence of a host whose first guidance is this one."""
    return Presence("hub1", store, cast(Guidance, first), cast(Callable[[], Guidance], renewed))


@on_sqlite
def test_a_host_whose_certificate_ended_reads_the_next(store: Store) -> None:
    second = FakeGuidance(is_refused=False)
    with presence(store, FakeGuidance(is_refused=True), lambda: second):
        wait_until(lambda: second.shown == ["hub1"])
    assert second.has_left


@on_sqlite
def test_files_that_can_not_be_read_are_tried_again(store: Store) -> None:
    second, tries = FakeGuidance(is_refused=False), list[int]()

    def renewed() -> FakeGuidance:
        tries.append(1)
        if len(tries) == 1:
            raise CommandError("no such file", Exit.NOT_CONFIGURED)
        return second

    with presence(store, FakeGuidance(is_refused=True), renewed):
        wait_until(lambda: bool(second.shown))


@on_sqlite
def test_new_shards_are_found_while_etcd_is_away(store: Store) -> None:
    away = FakeGuidance(is_refused=True)
    with presence(store, away, lambda: away) as here:
        assert here.shards == []
        with store.write() as transaction:
            shards.create(transaction, Shard("abc", "192.0.2.1", 51820))
        wait_until(lambda: len(here.shards) == 1)


class StuckStore:
    """Stand-in for a store that answers the first look alone, until it is released."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.looks = 0
        self.released = threading.Event()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Reads; from the second time on, after the release."""
        self.looks += 1
        if self.looks > 1:
            self.released.wait()
        with self._store.read() as transaction:
            yield transaction


@on_sqlite
def test_a_stuck_database_makes_no_host_look_gone(store: Store) -> None:
    guidance, stuck = FakeGuidance(is_refused=False), StuckStore(store)
    with presence(cast(Store, stuck), guidance, lambda: guidance):
        wait_until(lambda: stuck.looks == 2)
        before = len(guidance.shown)
        wait_until(lambda: len(guidance.shown) > before + 1)
    # The end did not wait for the database either.
    assert not stuck.released.is_set()
    assert guidance.has_left
    stuck.released.set()
