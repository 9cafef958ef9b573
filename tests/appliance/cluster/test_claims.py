"""Claims about many hubs: what is denied stays denied, organizations stay apart, and what is deleted stays gone.

Streams are judged from before a harm until after it. Known breaks show that the streams would tell.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from appliance.model.desired import Desired
from appliance.model.errors import NotEnforced, Unavailable
from appliance.model.policy import Action, Policy
from appliance.service import Actor, deletion, latest_owners
from appliance.service.owners import OwningHubs
from appliance.store import Store, organizations, shards
from appliance.store.organizations import Standing
from appliance.store.shards import Fence
from tests.appliance.cluster.hub_hosts import Break, HubHost
from tests.appliance.cluster.three_hubs import BETA, CONFINED, Streams, World
from tests.appliance.databases import on_postgresql
from tests.appliance.postgres import Cluster
from tests.appliance.sealed import ACME
from tests.waiting import DEADLINE, wait_until

pytestmark = pytest.mark.full

_OPEN = Policy(Action.ALLOW, ())
_CLOSED = Policy(Action.DENY, ())
_OPEN_FOR_S = 2.0
_MAJORITY = 2
_ALWAYS_S = 3600.0


def power_is_cut(three: World, first: HubHost) -> None:
    first.loses_power()
    three.owner(after=first)


def process_is_killed(three: World, first: HubHost) -> None:
    first.is_killed()
    three.owner(after=first)
    # It finds what it left in the kernel.
    three.start(first)


def process_is_stopped(three: World, first: HubHost) -> None:
    first.processes[-1].signal(signal.SIGSTOP)
    three.owner(after=first)
    # It goes on with what it was about to do.
    first.processes[-1].signal(signal.SIGCONT)
    wait_until(lambda: not first.has(ACME), three.logs)


def host_is_cut_off_from_the_others(three: World, first: HubHost) -> None:
    first.inner.down()
    three.owner(after=first)
    first.inner.up()
    wait_until(lambda: not first.has(ACME), three.logs)


def others_are_cut_off(three: World, first: HubHost) -> None:
    others = [each for each in three.hubs if each is not first]
    for each in others:
        each.inner.down()
    time.sleep(2 * _OPEN_FOR_S)
    assert first.has_the_address()
    for each in others:
        each.inner.up()


def etcd_loses_its_majority(three: World, first: HubHost) -> None:
    lost = three.etcd.processes[:_MAJORITY]
    for each in lost:
        each.signal(signal.SIGSTOP)
    # No host owns the shard then.
    wait_until(lambda: not any(each.has_the_address() for each in three.hubs), three.logs)
    assert first
    for each in lost:
        each.signal(signal.SIGCONT)
    three.owner()


def hubs_are_upgraded_in_turn(three: World, first: HubHost) -> None:
    for each in [first, *(hub for hub in three.hubs if hub is not first)]:
        each.processes[-1].signal(signal.SIGINT)
        each.processes[-1].wait(DEADLINE)
        three.start(each)
    three.owner()


HARMS = [
    power_is_cut,
    process_is_killed,
    process_is_stopped,
    host_is_cut_off_from_the_others,
    others_are_cut_off,
    etcd_loses_its_majority,
    hubs_are_upgraded_in_turn,
]


def tell(name: str, streams: Streams) -> None:
    """Prints for how long the allowed stream was silent."""
    print(f"{name}: silent for {streams.silence():.2f} s")


def opens_for_a_while() -> None:
    """Break: a new owner enforces an open policy first, and the stored one when it compares itself with the store."""
    desired, standing, begun = organizations.desired, organizations.standing, list[float]()

    def opened(found: Desired | None) -> Desired | None:
        begun.append(time.monotonic())
        is_early = time.monotonic() < begun[0] + _OPEN_FOR_S
        return replace(found, policy=_OPEN) if is_early and found is not None else found

    def standing_opened(*arguments: Any) -> Standing | None:
        found = standing(*arguments)
        return None if found is None else replace(found, desired=opened(found.desired))

    patch = pytest.MonkeyPatch()
    patch.setattr(organizations, "desired", lambda *arguments: opened(desired(*arguments)))
    patch.setattr(organizations, "standing", standing_opened)


def remembered(store: Store) -> Break:
    """Makes a break: a new owner enforces what the store has now, and looks no further."""
    with store.read() as transaction:
        ids = tuple(organizations.enforced_ids(transaction))
        held = {each: organizations.desired(transaction, each) for each in ids}
        found = {each: organizations.find(transaction, each) for each in ids}
        standing = {each: organizations.standing(transaction, each) for each in ids}
        names, revisions = organizations.names(transaction), organizations.revisions(transaction)

    def harm() -> None:
        patch = pytest.MonkeyPatch()
        patch.setattr(organizations, "enforced_ids", lambda *_: ids)
        patch.setattr(organizations, "names", lambda *_: names)
        patch.setattr(organizations, "revisions", lambda *_: revisions)
        for name, values in (("desired", held), ("find", found), ("revision", revisions), ("standing", standing)):
            patch.setattr(organizations, name, partial(_of, values))

    return harm


def _of(values: Mapping[str, object], _transaction: object, organization: str, *_: object) -> object:
    return values.get(organization)


@on_postgresql
@pytest.mark.parametrize("harm", HARMS)
def test_nothing_denied_or_foreign_arrives_throughout(three: World, harm: Callable[[World, HubHost], None]) -> None:
    first = three.begin()
    three.save(CONFINED)
    with three.streams() as streams:
        harm(three, first)
        streams.flow()
        assert streams.leaks() == []
        tell(harm.__name__, streams)
        # The stream that was judged arrives as soon as it may.
        three.until_answered(lambda: three.save(_OPEN))
        streams.denied.wait_delivery(streams.denied.mark(), DEADLINE)


@on_postgresql
def test_nothing_denied_arrives_while_the_database_is_away(three: World, cluster: Cluster) -> None:
    first = three.begin()
    three.save(CONFINED)
    with three.streams() as streams:
        cluster.stop()
        try:
            # The owner needs no database to go on, and no other host begins without one.
            streams.flow()
            first.is_killed()
            wait_until(lambda: not first.has_the_address(), three.logs)
        finally:
            cluster.start()
        # A hub that could not begin has ended; its host's supervisor starts it again.
        for each in three.hubs:
            if each.processes[-1].poll() is not None:
                three.start(each)
        three.owner()
        streams.flow()
        assert streams.leaks() == []
        tell("database away", streams)


@on_postgresql
def test_an_open_policy_at_first_would_be_noticed(three: World) -> None:
    first = three.begin(opens_for_a_while)
    three.save(CONFINED)
    with three.streams() as streams:
        power_is_cut(three, first)
        streams.flow()
        wait_until(lambda: bool(streams.leaks()), three.logs)


@on_postgresql
def test_an_owner_with_an_old_policy_would_be_noticed(three: World) -> None:
    # Read before the save.
    first = three.begin(remembered(three.store))
    three.save(CONFINED)
    with three.streams() as streams:
        power_is_cut(three, first)
        streams.flow()
        wait_until(lambda: bool(streams.leaks()), three.logs)


class LateCommits(OwningHubs):
    """Client of all hubs whose owner is lost between the enforcing of a change and its commit."""

    lost: Callable[[], object] | None = None

    def apply(self, organization: str, *arguments: Any, **named: Any) -> None:
        """Enforces a change, and returns when another owner has come."""
        super().apply(organization, *arguments, **named)
        harm, self.lost = self.lost, None
        if harm is not None:
            harm()


def lost_before_commit(three: World, first: HubHost) -> LateCommits:
    """Makes a client with which the next save loses its owner."""

    def harm() -> None:
        power_is_cut(three, first)
        wait_until(lambda: any(each.has(ACME) for each in three.hubs if each is not first), three.logs)

    made = three.hubs_of_web(LateCommits)
    made.lost = harm
    return made


@on_postgresql
def test_a_save_that_only_a_former_owner_enforced_fails(three: World) -> None:
    first = three.begin()
    with three.streams() as streams:
        with pytest.raises((NotEnforced, Unavailable)):
            three.save(_CLOSED, three.context(lost_before_commit(three, first)))
        assert three.stored() == _OPEN
        # What is stored is in force.
        streams.flow()


@on_postgresql
def test_a_save_without_its_token_would_be_noticed(three: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(_transaction: object, _fence: Fence) -> None:
        """Break: a save is committed whoever enforced it."""

    # Otherwise the confirmation asks etcd, and leads the new owner to the store at once.
    monkeypatch.setattr(latest_owners, "LIFE_S", _ALWAYS_S)
    first = three.begin()
    with three.streams() as streams:
        monkeypatch.setattr(shards, "check", check)
        three.save(_CLOSED, three.context(lost_before_commit(three, first)))
        answered = streams.allowed.mark()
        assert three.stored() == _CLOSED
        wait_until(lambda: bool(streams.allowed.received_since(answered)), three.logs)


def delete_while_away(three: World, first: HubHost, streams: Streams) -> HubHost:
    """Deletes the second organization while its owner is lost; returns the next owner, which has nothing of it."""
    first.loses_power()
    context = three.context()
    three.until_answered(lambda: deletion.delete(context, Actor.operator(BETA), confirm=BETA))
    moment = streams.own.mark()
    second = three.owner(after=first)
    streams.flow(own=False)
    assert streams.own.delivered_sent_in(moment, streams.own.mark()) == []
    assert not second.has(BETA)
    return second


def lose_second(three: World, streams: Streams, second: HubHost) -> HubHost:
    """Loses the second owner, too; returns the third one, when the first organization's network is there."""
    second.loses_power()
    third = next(each for each in three.hubs if each.processes[-1].poll() is None)
    wait_until(third.has_the_address, three.logs)
    streams.flow(own=False)
    return third


@on_postgresql
def test_an_organization_deleted_meanwhile_stays_gone(three: World) -> None:
    first = three.begin()
    three.save(CONFINED)
    with three.streams() as streams:
        second = delete_while_away(three, first, streams)
        moment = streams.own.mark()
        third = lose_second(three, streams, second)
        assert not third.has(BETA)
        assert streams.own.received_since(moment) == []
        assert streams.leaks() == []


@on_postgresql
def test_a_deleted_organization_that_revives_is_noticed(three: World) -> None:
    first, late = three.begin(), three.hubs[-1]
    three.save(CONFINED)
    late.processes[-1].signal(signal.SIGTERM)
    late.processes[-1].wait(DEADLINE)
    with three.streams() as streams:
        harm = remembered(three.store)
        second = delete_while_away(three, first, streams)
        three.start(late, harm)
        third = lose_second(three, streams, second)
        wait_until(lambda: third.has(BETA), three.logs)
