"""A hub that gives up its organizations finishes the changes in progress, and takes no more."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from appliance.hub.errors import NotHere, Overtaken
from appliance.hub.plane.arbiter import Arbiter
from appliance.model.desired import Desired
from appliance.model.errors import NotEnforced
from appliance.model.policy import Action, Policy
from appliance.service import Actor, Context
from appliance.service import policy as policies
from appliance.store import Store, organizations
from tests.appliance.hub.arbitrated import MadeUpPlane, revision, stored
from tests.waiting import DEADLINE

DENIED = Policy(Action.DENY)


def denied(store: Store, owner: Actor) -> Desired:
    """Makes a change of what is stored."""
    found = stored(store, owner)
    assert found is not None
    return replace(found, policy=DENIED)


def test_no_change_is_taken_after_the_close(
    context: Context, arbiter: Arbiter, plane: MadeUpPlane, store: Store, owner: Actor
) -> None:
    before, organization = plane.states(), owner.organization_id
    arbiter.close()
    arbiter.await_changes()
    at, wanted = revision(store, owner), denied(store, owner)
    refused_changes: list[Callable[[], object]] = [
        lambda: arbiter.apply(organization, wanted, base=at, revision=at + 1),
        lambda: arbiter.withdraw(organization, at),
        lambda: arbiter.confirm(organization, at + 1),
        lambda: arbiter.remove(organization),
        lambda: arbiter.apply("another", wanted, base=1, revision=2),
    ]
    for change in refused_changes:
        with pytest.raises(NotHere):
            change()
    with pytest.raises(NotEnforced) as refused:
        policies.save(context, owner, DENIED)
    assert refused.value.retry_after
    assert plane.states() == before
    assert stored(store, owner) == before[organization]


def test_a_change_in_progress_is_waited_for(arbiter: Arbiter, plane: MadeUpPlane, store: Store, owner: Actor) -> None:
    """Closes while a change is made, and asks for another one: the first is made before nothing more is."""
    begun, goes_on, ended = threading.Event(), threading.Event(), list[str]()
    wanted, at = denied(store, owner), revision(store, owner)

    def work() -> None:
        begun.set()
        assert goes_on.wait(DEADLINE)

    def change() -> None:
        arbiter.apply(owner.organization_id, wanted, base=at, revision=at + 1)
        ended.append("the change")

    def end() -> None:
        arbiter.await_changes()
        ended.append("the wait")

    plane.works = work
    changing, waiting = threading.Thread(target=change), threading.Thread(target=end)
    changing.start()
    assert begun.wait(DEADLINE)
    arbiter.close()
    waiting.start()
    with pytest.raises(NotHere):
        arbiter.apply("another", wanted, base=1, revision=2)
    assert ended == []
    goes_on.set()
    for each in (changing, waiting):
        each.join(DEADLINE)
    assert ended == ["the change", "the wait"]
    assert plane.wanted[owner.organization_id].policy == DENIED


def test_what_was_cleared_is_no_base_of_a_change(
    arbiter: Arbiter, plane: MadeUpPlane, store: Store, owner: Actor
) -> None:
    organization, at, wanted = owner.organization_id, revision(store, owner), denied(store, owner)
    arbiter.clear(organization)
    assert plane.states() == {}
    assert organization not in arbiter.revisions()
    with store.write() as transaction:
        organizations.revise(transaction, organization, at + 7)
    with pytest.raises(Overtaken):
        arbiter.apply(organization, wanted, base=at, revision=at + 1)
