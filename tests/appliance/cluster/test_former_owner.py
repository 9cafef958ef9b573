"""A web process leaves an owner that is cut off from etcd and answers all the same, once another hub owns the shard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from appliance.model.policy import Action, Policy
from appliance.service import Actor, Context, deletion, latest_owners
from appliance.service.owners import OwningHubs
from tests.appliance.cluster.hub_hosts import HubHost
from tests.appliance.cluster.three_hubs import BETA, CONFINED, World
from tests.appliance.databases import on_postgresql
from tests.appliance.sealed import ACME
from tests.waiting import wait_until

pytestmark = pytest.mark.full

_CLOSED = Policy(Action.DENY, ())
_ALWAYS_S = 3600.0


@contextmanager
def followed(three: World, context: Context) -> Iterator[tuple[HubHost, HubHost]]:
    """Cuts an owner that a web process knows off from etcd alone; yields it and the next one, which has everything."""
    first = three.begin()
    three.save(CONFINED, context)
    members = ", ".join(each.host for each in three.etcd.endpoints)
    chains = " ".join(
        f"chain {hook} {{ type filter hook {hook} priority 0; ip {end} {{ {members} }} drop; }};"
        for hook, end in (("input", "saddr"), ("output", "daddr"))
    )
    first.host.run("nft", f"table inet cut {{ {chains} }}")
    try:
        second = three.owner(after=first)
        wait_until(lambda: second.has(ACME) and second.has(BETA), three.logs)
        assert first.has(ACME)
        yield first, second
    finally:
        first.host.run("nft", "delete", "table", "inet", "cut")


@on_postgresql
def test_a_save_that_the_next_owner_fenced_leads_to_it(three: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latest_owners, "LIFE_S", _ALWAYS_S)
    context = three.context()
    with followed(three, context):
        (refusal,) = three.until_answered(lambda: three.save(_CLOSED, context))
        assert refusal.retry_after
        assert three.stored() == _CLOSED


@on_postgresql
def test_a_deletion_removes_what_the_next_owner_has(three: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latest_owners, "LIFE_S", _ALWAYS_S)
    context = three.context()
    with followed(three, context) as (first, second):
        three.web.in_network(lambda: deletion.delete(context, Actor.operator(BETA), confirm=BETA))
        assert not second.has(BETA)
    # When it hears that it has lost the shard, it keeps nothing.
    wait_until(lambda: not first.has(ACME) and not first.has(BETA), three.logs)


@on_postgresql
def test_readings_are_the_next_owner_s_soon(three: World) -> None:
    hubs = three.hubs_of_web(OwningHubs)
    with followed(three, three.context(hubs)) as (_, second):
        wait_until(lambda: three.web.in_network(hubs.status).shards[0].host == second.host.name, three.logs)
