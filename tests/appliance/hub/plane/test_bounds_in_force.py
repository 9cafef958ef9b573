"""Refusals at a bound, in the kernel, while organizations are changed, suspended and resumed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from appliance.hub.errors import RulesetError
from appliance.hub.kernel.nft import Rulesets
from appliance.hub.names import Names
from appliance.hub.plane.bounds import ConnectionBounds
from appliance.hub.plane.connection_watch import ConnectionWatch
from appliance.hub.plane.dataplane import DataPlane
from appliance.hub.ruleset import FullMachines
from appliance.model.desired import Desired, Peer
from appliance.model.keys import new_key_pair
from tests.appliance.hub.ruled import listing

EVERYBODY = FullMachines(everybody=True)
_NO_ROOM = ConnectionBounds(machine=1, organization=0, everybody=0)


@pytest.fixture
def is_refusing(names: Names, desired: Desired) -> Callable[[], bool]:
    """Tells whether the organization's machines may open no connection."""

    def look() -> bool:
        return bool(re.search(r'chain full \{\n\s*counter name "full" drop', listing(own.namespace)))

    own = names.of(desired.organization)
    return look


def test_a_bound_met_while_a_policy_is_saved_is_enforced(
    plane: DataPlane, desired: Desired, is_refusing: Callable[[], bool]
) -> None:
    plane.apply(desired)
    watch = ConnectionWatch(plane, lambda: 0, bounds=lambda _: _NO_ROOM)
    plane.apply(replace(desired, peers=(Peer("m2", new_key_pair().public, IPv4Address("10.100.0.2")),)), watch.look)
    assert not is_refusing()
    watch.look()
    assert is_refusing()


def test_a_bound_that_the_kernel_refused_is_enforced_later(
    plane: DataPlane, desired: Desired, is_refusing: Callable[[], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RulesetError("out of memory")

    plane.apply(desired)
    with monkeypatch.context() as patch:
        patch.setattr(Rulesets, "load", fail)
        with pytest.raises(RulesetError, match="out of memory"):
            plane.refuse(desired.organization, EVERYBODY)
    assert not is_refusing()
    plane.refuse(desired.organization, EVERYBODY)
    assert is_refusing()


def test_an_organization_resumed_after_its_bound_has_room(
    plane: DataPlane, desired: Desired, is_refusing: Callable[[], bool]
) -> None:
    plane.apply(desired)
    plane.refuse(desired.organization, EVERYBODY)
    assert is_refusing()
    plane.remove(desired.organization)
    plane.apply(desired)
    assert not is_refusing()
