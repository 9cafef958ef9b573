"""No call leaves anything of an organization that does not exist in the hub's memory."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

from appliance.hub.errors import HubError
from appliance.hub.front_door import FrontDoor
from appliance.hub.names import Names
from appliance.hub.plane.usage import Usage
from appliance.hub.rpc import messages
from appliance.hub.service import Hub
from appliance.hub.wireguard import Backend
from appliance.model.difference import StateDifference
from appliance.model.ids import new_organization_id
from appliance.model.policy import Action
from tests.appliance.sealed import OLD, opens, sealed_store

_OUTSIDE = (ModuleType, FunctionType, type, Usage)
"""Types whose objects are not searched.

`Usage` remembers organizations for a minute, and forgets them when they are too many.
"""


@pytest.fixture
def hub(names: Names, backend: Backend, tmp_path: Path) -> Iterator[Hub]:
    """Provides a hub at work that has one organization."""
    store = sealed_store(tmp_path)
    made = Hub(names, backend, FrontDoor(names, 51820), store, opens(store, OLD), tmp_path / "rules")
    made.upkeep.open()
    made.upkeep.restore()
    # Its round would forget what a call has left.
    made.upkeep.agreement.stop()
    yield made
    made.answer(messages.TearDown())
    made.upkeep.close()


def calls_for(organization: str) -> list[messages.Call]:
    nothing = StateDifference(Action.ALLOW)
    return [
        messages.CreateKeys(organization),
        messages.CreateCodeSecret(organization, "asha"),
        messages.MatchCode(organization, "asha", b"", "123456", 0.0),
        messages.Apply(organization, None, 0, 1),
        messages.Amend(organization, nothing, 0, 1),
        messages.Withdraw(organization, 1),
        messages.Confirm(organization, 1),
        messages.Remove(organization),
        messages.Peers(organization),
        messages.Ping(organization, "m2"),
        messages.Measure(organization, ()),
        messages.Counters(organization),
    ]


def texts_within(root: object) -> Iterator[str]:
    """Yields every text that can be reached from an object, but by way of what is `_OUTSIDE`."""
    seen, left = {id(root)}, [root]
    while left:
        each = left.pop()
        if isinstance(each, str):
            yield each
        elif not isinstance(each, _OUTSIDE):
            # Of a dictionary whose keys are texts, the collector looks at the values alone.
            keys = list(each) if isinstance(each, dict) else []
            found = [one for one in (*keys, *gc.get_referents(each)) if id(one) not in seen]
            seen.update(map(id, found))
            left += found


def named_in(hub: Hub, organization: str) -> list[str]:
    return [text for text in texts_within(hub) if organization in text]


def answer(hub: Hub, call: messages.Call) -> None:
    with suppress(HubError):
        hub.answer(call)


def test_calls_for_unknown_organizations_leave_nothing(hub: Hub) -> None:
    (known,) = hub.upkeep.plane.wanted()
    assert named_in(hub, known)
    # SQLAlchemy keeps the values with which each statement was made first.
    for call in calls_for(new_organization_id()):
        answer(hub, call)
    for place, kind in enumerate(map(type, calls_for(known))):
        organization = new_organization_id()
        answer(hub, calls_for(organization)[place])
        assert named_in(hub, organization) == [], kind.__name__
