"""The change of a caller that is gone is settled, replaced or undone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.hub.errors import GivenUp, Overtaken
from appliance.hub.plane.arbiter import Arbiter
from appliance.model.desired import Desired
from appliance.model.errors import NotEnforced
from appliance.model.policy import Action, Policy
from appliance.service import Actor, Context
from appliance.service import policy as policies
from appliance.store import Store
from tests.appliance import databases
from tests.appliance.hub.arbitrated import (
    ArbitratedHub,
    MadeUpCaller,
    MadeUpPlane,
    revision,
    stored,
)

DENIED = Policy(Action.DENY)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs the tests of this module on both databases."""
    databases.parametrize(metafunc)


def test_only_a_killed_caller_s_change_is_settled(
    arbiter: Arbiter, plane: MadeUpPlane, store: Store, owner: Actor
) -> None:
    before, caller = stored(store, owner), MadeUpCaller()
    assert before is not None
    at = revision(store, owner)
    arbiter.apply(owner.organization_id, replace(before, policy=DENIED), base=at, revision=1, caller=caller)
    assert not arbiter.settle(owner.organization_id)
    assert plane.wanted[owner.organization_id].policy == DENIED
    caller.dies()
    assert arbiter.settle(owner.organization_id)
    assert plane.wanted[owner.organization_id] == before
    # The dead caller's commit can't come any more; one that is alive begins where the store is.
    arbiter.apply(owner.organization_id, before, base=at, revision=2)


def test_the_next_change_replaces_one_of_a_gone_caller(
    arbiter: Arbiter, plane: MadeUpPlane, store: Store, owner: Actor
) -> None:
    before, caller = stored(store, owner), MadeUpCaller()
    assert before is not None
    at = revision(store, owner)
    arbiter.apply(owner.organization_id, replace(before, policy=DENIED), base=at, revision=1, caller=caller)
    with pytest.raises(Overtaken, match="under way"):
        arbiter.apply(owner.organization_id, before, base=at, revision=2)
    with pytest.raises(Overtaken, match="another revision"):
        arbiter.apply(owner.organization_id, before, base=3, revision=4)
    caller.dies()
    arbiter.apply(owner.organization_id, before, base=at, revision=2)
    assert plane.wanted[owner.organization_id] == before


def test_a_change_of_a_caller_that_left_meanwhile_is_undone(
    context: Context, hub: ArbitratedHub, plane: MadeUpPlane, store: Store, owner: Actor
) -> None:
    before = stored(store, owner)
    caller = hub.caller
    assert isinstance(caller, MadeUpCaller)
    plane.works = caller.dies
    with pytest.raises(NotEnforced):
        policies.save(context, owner, DENIED)
    assert plane.wanted[owner.organization_id] == before == stored(store, owner)


def test_a_change_of_a_caller_that_left_at_the_switch_is_undone(
    arbiter: Arbiter, plane: MadeUpPlane, store: Store, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, caller, apply = stored(store, owner), MadeUpCaller(), plane.apply
    assert before is not None

    def apply_and_lose(desired: Desired, last_check: object) -> None:
        del last_check
        apply(desired)
        caller.dies()
        monkeypatch.undo()

    monkeypatch.setattr(plane, "apply", apply_and_lose)
    with pytest.raises(GivenUp):
        arbiter.apply(
            owner.organization_id,
            replace(before, policy=DENIED),
            base=revision(store, owner),
            revision=1,
            caller=caller,
        )
    assert plane.wanted[owner.organization_id] == before
