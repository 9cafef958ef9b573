"""Facts of which an organization's map is made."""

from __future__ import annotations

import pytest

from appliance.model.desired import PeerStatus
from appliance.service import Actor, Context, machines, network_map
from appliance.service.observed import MachineState
from appliance.store import machines as stored
from tests.appliance.fakes import FakeHub


def status(key: str, heard_at: float) -> PeerStatus:
    return PeerStatus(key, int(heard_at), 0, 0, "")


def test_what_the_hub_has_heard_is_not_read_from_the_store(
    context: Context, owner: Actor, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Observes with a hub that heard both machines, with one that started since, and with one that does not answer."""
    made = [machines.add(context, owner, name=name).machine for name in "ab"]
    ids, keys = [each.id for each in made], [each.public_key for each in made]
    with context.store.write() as transaction:
        stored.note_endpoints(transaction, owner.organization_id, {keys[1]: "192.0.2.1:40000"})
    now = context.clock().timestamp()
    hub.statuses = [status(keys[0], now), status(keys[1], now - 1000)]
    with monkeypatch.context() as patch:
        for reading in ("connected", "endpoints"):
            patch.setattr(stored, reading, lambda *_: pytest.fail("the store was asked"))
        assert _states(context, owner, ids) == [MachineState.ONLINE, MachineState.SILENT]
    hub.statuses = [status(key, 0) for key in keys]
    assert _states(context, owner, ids) == [MachineState.NEVER_SEEN, MachineState.SILENT]
    hub.refuses = True
    assert _states(context, owner, ids) == [MachineState.NEVER_SEEN, MachineState.SILENT]


def _states(context: Context, owner: Actor, ids: list[str]) -> list[MachineState]:
    context.statuses.forget(owner.organization_id)
    states = network_map.look(context, owner).states
    return [states[each] for each in ids]
