"""Many hubs as one: the status of all that answer, and changes, which end at the owner that enforces them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import msgspec
import pytest

from appliance.cluster.etcd import Etcd, LeasedKey, SocketAddress
from appliance.cluster.owner import Owner, owner_key
from appliance.cluster.relay import Listener
from appliance.hub.errors import HubUnreachable
from appliance.hub.rpc import codec, messages
from appliance.hub.rpc.messages import HubStatus, ShardStatus
from appliance.hub.rpc.server import Server
from appliance.model.errors import Unavailable
from appliance.service.owners import OwningHubs
from appliance.store import Store, shards
from appliance.store.shards import Shard
from tests.appliance.cluster.authority import Authority
from tests.appliance.cluster.hub_hosts import SHARD, place_acme
from tests.appliance.databases import on_sqlite
from tests.appliance.sealed import ACME
from tests.waiting import DEADLINE

_HERE = "127.0.0.1"
SHARDS = [Shard(f"shard{number}", f"192.0.2.{number}", 51820) for number in range(1, 4)]


@dataclass
class Owners:
    """Stand-in for etcd that knows who owns what."""

    known: dict[str, Owner]

    def holder(self, key: str) -> LeasedKey | None:
        """Returns the key of a shard's owner."""
        owner = self.known.get(key)
        return None if owner is None else LeasedKey(owner.text(), 1, 1, 1)


def answers(shard: Shard, together: threading.Barrier) -> Callable[[socket.socket, str], None]:
    """Makes a hub that tells its status once as many are asked as there are hubs."""

    def serve(connection: socket.socket, _: str) -> None:
        with connection:
            while codec.receive(connection) is not None:
                together.wait(DEADLINE)
                status = HubStatus("wireguard-go", "1", 1, 1, shards=(ShardStatus(shard.endpoint, "hub1", 7),))
                codec.send(connection, messages.Done(msgspec.Raw(codec.encode(status))))

    return serve


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Provides the cluster's authority."""
    return Authority(tmp_path / "authority")


@pytest.fixture
def owners(authority: Authority) -> Iterator[dict[str, Owner]]:
    """Provides the owners of all shards but the last, which nobody owns."""
    identity, together = authority.identity("hub1"), threading.Barrier(len(SHARDS) - 1)
    with ExitStack() as opened:
        known = {}
        for each in SHARDS[:-1]:
            listener = opened.enter_context(
                closing(Listener(SocketAddress(_HERE, 0), identity, answers(each, together)))
            )
            known[owner_key(each.id)] = Owner("hub1", SocketAddress(_HERE, listener.port))
        yield known


def hubs(
    store: Store, known: dict[str, Owner], authority: Authority, stored: Sequence[Shard] = tuple(SHARDS)
) -> OwningHubs:
    """Makes a client of all hubs, whose shards are in the store."""
    with store.write() as transaction:
        for each in stored:
            shards.create(transaction, each)
    return OwningHubs(store, cast("Etcd", Owners(known)), authority.client("web"))


@on_sqlite
def test_shards_are_asked_side_by_side(store: Store, owners: dict[str, Owner], authority: Authority) -> None:
    asked = hubs(store, owners, authority)
    for _ in range(2):
        found = asked.status()
        assert found.enforcing == 2
        assert [(each.endpoint, each.host) for each in found.shards] == [
            (SHARDS[0].endpoint, "hub1"),
            (SHARDS[1].endpoint, "hub1"),
            (SHARDS[2].endpoint, None),
        ]
    assert found.unanswered == {"unowned": 2}


def says_nothing(connection: socket.socket, _: str) -> None:
    """Stands in for a hub that hangs."""
    with connection:
        while codec.receive(connection) is not None:
            pass


@pytest.mark.full
@on_sqlite
def test_a_hub_that_hangs_is_waited_for_in_a_bound(store: Store, authority: Authority) -> None:
    with closing(Listener(SocketAddress(_HERE, 0), authority.identity("hub2"), says_nothing)) as hanging:
        known = {owner_key(SHARDS[0].id): Owner("hub2", SocketAddress(_HERE, hanging.port))}
        # A call alone waits for 20 s.
        with pytest.raises(HubUnreachable, match=f"{SHARDS[0].endpoint} did not answer in 5 s"):
            hubs(store, known, authority, SHARDS[:1]).status()


@on_sqlite
def test_without_any_owner_there_is_no_status(store: Store, authority: Authority) -> None:
    with pytest.raises(HubUnreachable, match="no owner"):
        hubs(store, {}, authority).status()


def notes(calls: list[messages.Call]) -> Callable[[socket.socket, str], None]:
    """Makes a hub that does nothing but note what it is asked."""

    def serve(connection: socket.socket, _: str) -> None:
        with connection:
            while (data := codec.receive(connection)) is not None:
                calls.append(codec.decode(data, messages.TimedCall).call)
                codec.send(connection, messages.Done(msgspec.Raw(codec.encode(None))))

    return serve


@on_sqlite
def test_a_change_is_ended_while_the_store_is_away(store: Store, authority: Authority) -> None:
    place_acme(store)
    calls = list[messages.Call]()
    with closing(Listener(SocketAddress(_HERE, 0), authority.identity("hub1"), notes(calls))) as hub:
        known = {owner_key(SHARD.id): Owner("hub1", SocketAddress(_HERE, hub.port))}
        asked = OwningHubs(store, cast("Etcd", Owners(known)), authority.client("web"))
        asked.apply(ACME, None, base=1, revision=2)
        with refused(store):
            with pytest.raises(Unavailable):
                asked.peers("another")
            asked.confirm(ACME, 2)
            asked.withdraw(ACME, 2)
    assert [type(each) for each in calls] == [messages.Apply, messages.Withdraw]


@dataclass
class Succession:
    """A client of hubs, and two hubs of one shard, of which the second one has it next.

    Attributes:
        first, second: what each of them was asked.
    """

    asked: OwningHubs
    known: dict[str, Owner]
    next: Owner
    first: list[messages.Call]
    second: list[messages.Call]

    def goes_on(self) -> None:
        """Has the second hub own the shard; the first one answers all the same."""
        self.known[owner_key(SHARD.id)] = self.next


@contextmanager
def two_owners(store: Store, authority: Authority) -> Iterator[Succession]:
    """Provides two hubs that note what they are asked; the first one owns the shard of an organization."""
    place_acme(store)
    with ExitStack() as opened:
        calls, found = (list[messages.Call](), list[messages.Call]()), list[Owner]()
        for each in calls:
            listener = Listener(SocketAddress(_HERE, 0), authority.identity("hub1"), notes(each))
            opened.enter_context(closing(listener))
            found.append(Owner("hub1", SocketAddress(_HERE, listener.port)))
        known = {owner_key(SHARD.id): found[0]}
        asked = OwningHubs(store, cast("Etcd", Owners(known)), authority.client("web"))
        yield Succession(asked, known, found[1], *calls)


@on_sqlite
def test_a_change_that_is_taken_back_leads_to_the_next_owner(store: Store, authority: Authority) -> None:
    """Takes a change back as after a commit that another owner's beginning has refused."""
    with two_owners(store, authority) as made:
        made.asked.apply(ACME, None, base=1, revision=2)
        made.goes_on()
        made.asked.withdraw(ACME, 2)
        made.asked.apply(ACME, None, base=1, revision=3)
        assert [type(each) for each in made.first] == [messages.Apply, messages.Withdraw]
        assert [type(each) for each in made.second] == [messages.Apply]


@on_sqlite
def test_a_deletion_asks_the_owner_of_that_moment(store: Store, authority: Authority) -> None:
    with two_owners(store, authority) as made:
        made.asked.apply(ACME, None, base=1, revision=2)
        made.goes_on()
        made.asked.remove(ACME)
        assert [type(each) for each in made.first] == [messages.Apply]
        assert [type(each) for each in made.second] == [messages.Remove]


@on_sqlite
def test_a_hub_of_another_shard_is_left(store: Store, authority: Authority, tmp_path: Path) -> None:
    """Finds another shard's hub at the address of an owner that has ended, and then the next owner."""
    place_acme(store)
    calls, wrong = list[messages.Call](), list[object]()
    identity, here = authority.identity("hub1"), SocketAddress(_HERE, 0)
    other = Server(tmp_path / "sock", None, lambda call, _: wrong.append(call), shard="another")
    with (
        closing(other),
        closing(Listener(here, identity, other.converse)) as first,
        closing(Listener(here, identity, notes(calls))) as second,
    ):
        known = {owner_key(SHARD.id): Owner("hub1", SocketAddress(_HERE, first.port))}
        asked = OwningHubs(store, cast("Etcd", Owners(known)), authority.client("web"))
        with pytest.raises(HubUnreachable, match=SHARD.id):
            asked.apply(ACME, None, base=1, revision=2)
        known[owner_key(SHARD.id)] = Owner("hub1", SocketAddress(_HERE, second.port))
        asked.apply(ACME, None, base=1, revision=2)
    assert [type(each) for each in calls] == [messages.Apply]
    assert wrong == []


@contextmanager
def refused(store: Store) -> Iterator[None]:
    """Has the store refuse to be read."""

    def read() -> None:
        raise Unavailable("The store is away.")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "read", read)
        yield
