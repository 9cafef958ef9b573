"""The hub and its vault: after a rotation, states from before and after it open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from queue import Queue

import pyotp
import pytest
from sqlalchemy.exc import SQLAlchemyError

from appliance.hub.errors import HubError, NotHere
from appliance.hub.front_door import FrontDoor
from appliance.hub.names import Names
from appliance.hub.plane.change_scheduler import ChangeScheduler
from appliance.hub.rpc.callers import LOCAL
from appliance.hub.rpc.messages import (
    Counters,
    CreateCodeSecret,
    CreateKeys,
    HubStatus,
    MatchCode,
    Peers,
    Ping,
    RotateSecret,
    ShardStatus,
    Status,
)
from appliance.hub.service import Hub
from appliance.model.desired import Desired
from appliance.store import Store, organizations
from appliance.vault import CodeSecret, SealedKeys, WrongSecret
from tests.appliance.hub.standins import NO_BACKEND
from tests.appliance.sealed import ACME, NEW, OLD, add_organization, opens
from tests.waiting import DEADLINE


def make_hub(
    store: Store, remembered: list[str], tmp_path: Path, shard_status: Callable[[], ShardStatus] | None = None
) -> Hub:
    names = Names("abc")
    door, vault, rules = FrontDoor(names, 51820), opens(store, OLD), tmp_path / "rules"
    return Hub(names, NO_BACKEND, door, store, vault, rules, remembered.append, shard_status)


def opens_with(store: Store, secret: str) -> bool:
    try:
        opens(store, secret)
    except WrongSecret:
        return False
    return True


def stored(store: Store) -> Desired:
    with store.read() as transaction:
        (organization,) = organizations.enforced_ids(transaction)
        found = organizations.desired(transaction, organization)
    assert found is not None
    return found


def test_states_open_to_the_same_key_before_and_after_rotation(sealed: Store, tmp_path: Path) -> None:
    remembered: list[str] = []
    hub = make_hub(sealed, remembered, tmp_path)
    before = stored(sealed)
    key = hub.keyring.private_key(before)
    hub.answer(RotateSecret(OLD, NEW))
    assert remembered == [NEW]
    after = stored(sealed)
    assert before.sealed_data_key != after.sealed_data_key
    assert hub.keyring.private_key(before) == hub.keyring.private_key(after) == key
    # The next hub has nothing but the new secret.
    assert opens(sealed, NEW).private_key(after.organization, after.sealed_data_key, after.sealed_private_key) == key


def test_codes_match_before_and_after_a_rotation(sealed: Store, tmp_path: Path) -> None:
    hub = make_hub(sealed, [], tmp_path)
    made = hub.answer(CreateCodeSecret(ACME, "asha"))
    assert isinstance(made, CodeSecret)
    at = 1_750_000_000.0
    code = pyotp.TOTP(made.secret).at(int(at))
    for _ in range(2):
        assert hub.answer(MatchCode(ACME, "asha", made.sealed, code, at)) == at // 30
        assert hub.answer(MatchCode(ACME, "asha", made.sealed, code, at + 90)) is None
        for stranger in (MatchCode(ACME, "ravi", made.sealed, code, at), MatchCode("bolt", "asha", b"", code, at)):
            with pytest.raises(HubError):
                hub.answer(stranger)
        if opens_with(sealed, OLD):
            hub.answer(RotateSecret(OLD, NEW))


def test_keys_sealed_before_a_rotation_are_refused_after_it(sealed: Store, tmp_path: Path) -> None:
    """Signs up with keys from before a rotation: the sign-up fails at once."""
    hub = make_hub(sealed, [], tmp_path)
    keys = hub.answer(CreateKeys("late"))
    assert isinstance(keys, SealedKeys)
    hub.answer(RotateSecret(OLD, NEW))
    add_organization(sealed, "late", keys)
    late = replace(
        stored_of(sealed, "late"), sealed_data_key=keys.sealed_data_key, sealed_private_key=keys.sealed_private_key
    )
    with pytest.raises(HubError):
        hub.keyring.private_key(late)
    fresh = hub.answer(CreateKeys("fresh"))
    assert isinstance(fresh, SealedKeys)
    assert opens(sealed, NEW).private_key("fresh", fresh.sealed_data_key, fresh.sealed_private_key)


def stored_of(store: Store, organization: str) -> Desired:
    with store.read() as transaction:
        found = organizations.desired(transaction, organization)
    assert found is not None
    return found


def test_a_wrong_present_secret_changes_nothing(sealed: Store, tmp_path: Path) -> None:
    hub = make_hub(sealed, [], tmp_path)
    before = stored(sealed)
    with pytest.raises(HubError):
        hub.answer(RotateSecret("another secret that is long enough", NEW))
    assert stored(sealed) == before
    assert hub.keyring.private_key(before)
    opens(sealed, OLD)


def test_a_store_that_fails_leaves_the_hub_with_the_old_secret(
    sealed: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = make_hub(sealed, [], tmp_path)
    before = stored(sealed)

    def fail(*_: object) -> None:
        raise SQLAlchemyError("disk full")

    monkeypatch.setattr("appliance.store.instance.replace_lock", fail)
    with pytest.raises(SQLAlchemyError):
        hub.answer(RotateSecret(OLD, NEW))
    assert stored(sealed) == before
    assert hub.keyring.private_key(before)
    hub.answer(CreateKeys("next"))


def test_a_rotation_is_not_printed() -> None:
    assert OLD not in repr(RotateSecret(OLD, NEW))


def test_restoring_and_healing_wait_for_no_change(
    sealed: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fills every place for changes, with more changes waiting, until the test ends."""
    hub, looked = make_hub(sealed, [], tmp_path), Queue[str]()
    hub.turns = ChangeScheduler(slots=1)
    monkeypatch.setattr(hub.upkeep.plane, "present", tuple)
    monkeypatch.setattr(hub.upkeep.plane, "wanted", lambda: (ACME,))
    monkeypatch.setattr(hub.upkeep.plane, "restore", lambda desired, _: looked.put(f"restored {desired.organization}"))
    monkeypatch.setattr(hub.upkeep.plane, "heal", lambda organization, _: looked.put(f"healed {organization}"))
    monkeypatch.setattr(hub.upkeep.plane, "note_endpoints", lambda *_: None)
    for name in ("admit", "settle", "close"):
        monkeypatch.setattr(hub.upkeep.door, name, lambda *_: None)
    with hub.turns.turn("another", LOCAL):
        hub.upkeep.restore()
        try:
            assert looked.get(timeout=DEADLINE) == f"restored {ACME}"
            assert looked.get(timeout=DEADLINE) == f"healed {ACME}"
        finally:
            hub.upkeep.close()


def test_a_hub_that_gives_up_tells_nothing_of_what_it_had(sealed: Store, tmp_path: Path) -> None:
    """Reads while everything is removed: nothing that is missing by then is told as a fact."""
    hub = make_hub(sealed, [], tmp_path)
    assert not hub.answer(Peers(ACME))
    hub.upkeep.arbiter.close()
    for call in (Peers(ACME), Counters(ACME), Ping(ACME, "machine2xyz")):
        with pytest.raises(NotHere):
            hub.answer(call)
    # Keys are the store's, and any hub may make them.
    assert isinstance(hub.answer(CreateKeys("fresh")), SealedKeys)


def test_only_a_shard_s_former_hub_refuses_its_status(sealed: Store, tmp_path: Path) -> None:
    """Has the one hub of a host be asked after its end, by which its supervisor sees that it answers."""
    alone = make_hub(sealed, [], tmp_path)
    of_a_shard = make_hub(sealed, [], tmp_path, lambda: ShardStatus("192.0.2.100:51820", "hub1"))
    for hub in (alone, of_a_shard):
        assert isinstance(hub.answer(Status()), HubStatus)
        hub.upkeep.arbiter.close()
    assert isinstance(alone.answer(Status()), HubStatus)
    with pytest.raises(NotHere):
        of_a_shard.answer(Status())
