"""Complete deletion of organizations, also after an interruption at any step."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, select

from appliance.hub.errors import HubError
from appliance.model.errors import NotEnforced, NotFound, Unauthenticated, Unavailable
from appliance.service import Actor, Context, accounts, deletion, log_in, machines, organizations
from appliance.store import Store, deletions, instance, schema, times
from appliance.store import organizations as stored
from appliance.store.deletions import Tombstone
from appliance.store.instance import Instance
from appliance.vault import Lock
from tests.appliance.conftest import sign_up
from tests.appliance.fakes import FakeHub
from tests.appliance.members import PASSWORD
from tests.appliance.rows import everything, fill
from tests.waiting import DEADLINE

NAME = "acme-networks"


class Killed(BaseException):
    """Simulates the end of the process."""


def tombstones(store: Store) -> list[Tombstone]:
    with store.read() as transaction:
        return deletions.tombstones(transaction)


def rows_naming(store: Store, *texts: str) -> list[tuple[str, tuple[Any, ...]]]:
    """Returns the rows that contain one of these values."""
    with store.read() as transaction:
        return [
            (table, row)
            for table, rows in everything(transaction).items()
            for row in rows
            if any(text in repr(row) for text in texts)
        ]


def test_deletion_leaves_no_row_in_any_table(context: Context, store: Store, owner: Actor) -> None:
    other = sign_up(context, "other@example.net")
    with store.write() as transaction:
        for each in (owner, other):
            assert {"sessions", "machines", "audit"} <= set(fill(transaction, each.organization_id, each.member_id))
    others = rows_naming(store, other.organization_id, other.member_id)
    assert rows_naming(store, owner.organization_id, owner.member_id)

    removed = deletion.delete(context, owner, confirm=NAME)

    assert rows_naming(store, owner.organization_id, owner.member_id, owner.email) == []
    assert rows_naming(store, other.organization_id, other.member_id) == others
    assert (removed["machines"], removed["rules"], removed["members"], removed["tokens"]) == (1, 1, 1, 3)


def test_the_tombstone_names_nobody(context: Context, store: Store, owner: Actor) -> None:
    machines.add(context, owner, name="branch-mumbai")
    deletion.delete(context, owner, confirm=NAME)
    (tombstone,) = tombstones(store)
    assert (tombstone.actor, tombstone.removed["machines"]) == ("owner", 1)
    for text in (NAME, "mumbai", owner.email, owner.organization_id, owner.member_id):
        assert text not in repr(tombstone)


def test_the_data_key_is_destroyed_first(
    context: Context, store: Store, hub: FakeHub, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def remove(organization: str) -> None:
        with store.read() as transaction:
            seen.append(transaction.execute(select(schema.organizations)).one())
            assert stored.find(transaction, organization) is None

    monkeypatch.setattr(hub, "remove", remove)
    deletion.delete(context, owner, confirm=NAME)
    (row,) = seen
    assert (row.sealed_data_key, row.sealed_private_key, row.active) == (b"", b"", False)


def cut_before_data_plane(monkeypatch: pytest.MonkeyPatch, hub: FakeHub) -> None:
    monkeypatch.setattr(hub, "remove", _kill)


def cut_before_rows(monkeypatch: pytest.MonkeyPatch, hub: FakeHub) -> None:
    del hub
    monkeypatch.setattr(stored, "remove", _kill)


def cut_between_rows(monkeypatch: pytest.MonkeyPatch, hub: FakeHub) -> None:
    del hub
    remove = stored.remove

    def remove_once(transaction: Connection, organization_id: str, most: int | None = None) -> tuple[Any, bool]:
        monkeypatch.setattr(stored, "remove", _kill)
        return remove(transaction, organization_id, most)

    monkeypatch.setattr(deletion, "PORTION", 1)
    monkeypatch.setattr(stored, "remove", remove_once)


def cut_before_files(monkeypatch: pytest.MonkeyPatch, hub: FakeHub) -> None:
    del hub
    monkeypatch.setattr(Store, "scrub", _kill)


CUTS = [cut_before_data_plane, cut_before_rows, cut_between_rows, cut_before_files]
Cut = Callable[[pytest.MonkeyPatch, FakeHub], None]


def cut_off(context: Context, hub: FakeHub, owner: Actor, cut: Cut) -> None:
    with pytest.MonkeyPatch.context() as patch:
        cut(patch, hub)
        with pytest.raises(Killed):
            deletion.delete(context, owner, confirm=NAME)


@pytest.mark.parametrize("cut", CUTS)
def test_the_next_start_finishes_an_interrupted_deletion(
    cut: Cut, context: Context, store: Store, hub: FakeHub, owner: Actor
) -> None:
    machines.add(context, owner, name="branch-mumbai")
    cut_off(context, hub, owner, cut)
    accounts.forget_unfinished(context)
    for _ in range(2):
        deletion.resume(context, times.now())
        assert not hub.enforced
        assert rows_naming(store, owner.organization_id, owner.member_id) == []
        (tombstone,) = tombstones(store)
        assert tombstone.removed["machines"] == 1
        with store.read() as transaction:
            assert deletions.all_scrubbed(transaction)


def test_a_running_deletion_is_left_alone(context: Context, store: Store, hub: FakeHub, owner: Actor) -> None:
    before = times.now()
    cut_off(context, hub, owner, cut_before_rows)
    deletion.resume(context, before)
    assert rows_naming(store, owner.organization_id)


@pytest.mark.parametrize("cut", CUTS[:3])
def test_a_second_call_finishes_an_interrupted_deletion(
    cut: Cut, context: Context, store: Store, hub: FakeHub, owner: Actor
) -> None:
    cut_off(context, hub, owner, cut)
    assert deletion.delete(context, owner, confirm=NAME)["members"] == 1
    assert not hub.enforced
    assert rows_naming(store, owner.organization_id, owner.member_id) == []
    with pytest.raises(NotFound):
        deletion.delete(context, owner, confirm=NAME)
    assert len(tombstones(store)) == 1


def test_an_organization_in_deletion_has_no_access(context: Context, hub: FakeHub, owner: Actor) -> None:
    cut_off(context, hub, owner, cut_before_data_plane)
    for wish in (organizations.get, lambda w, a: machines.add(w, a, name="late")):
        with pytest.raises(NotFound):
            wish(context, owner)
    with pytest.raises(Unauthenticated):
        log_in.log_in(context, email=owner.email, password=PASSWORD)


def test_a_refusal_by_the_data_plane_restores_the_keys(
    context: Context, store: Store, hub: FakeHub, owner: Actor
) -> None:

    def look() -> dict[str, list[tuple[object, ...]]]:
        # Changes of before the deletion are none of it any more, so its revision is another one.
        with store.write() as transaction:
            stored.revise(transaction, owner.organization_id, 1)
        with store.read() as transaction:
            return everything(transaction)

    before = look()
    hub.refuses = True
    with pytest.raises(NotEnforced):
        deletion.delete(context, owner, confirm=NAME)
    assert look() == before


def test_keys_sealed_with_an_old_unlock_secret_are_not_restored(
    context: Context, store: Store, hub: FakeHub, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rotates the unlock secret during a refused deletion: the old sealed keys would not open any more."""

    def rotate_and_refuse(_: str) -> None:
        with store.write() as transaction:
            instance.create(transaction, Instance("abc", Lock(b"another salt", 2, 1, 1, b"proof")))
        raise HubError("told to refuse")

    monkeypatch.setattr(hub, "remove", rotate_and_refuse)
    with pytest.raises(NotEnforced, match="goes on by itself"):
        deletion.delete(context, owner, confirm=NAME)
    monkeypatch.undo()
    deletion.resume(context, times.now())
    assert rows_naming(store, owner.organization_id) == []


def test_a_cancelled_deletion_is_not_finished_by_a_second_call(
    context: Context, hub: FakeHub, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs two deletions at once: one fails at the data plane and is undone, the other goes on."""
    second_is_there, first_is_back = threading.Event(), threading.Event()
    delete = partial(deletion.delete, context, owner, confirm=NAME)

    def remove_as_second(_: str) -> None:
        second_is_there.set()
        assert first_is_back.wait(DEADLINE)

    def remove_as_first(_: str) -> None:
        monkeypatch.setattr(hub, "remove", remove_as_second)
        calls.append(pool.submit(delete))
        assert second_is_there.wait(DEADLINE)
        raise HubError("refused")

    calls: list[Future[object]] = []
    monkeypatch.setattr(hub, "remove", remove_as_first)
    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(NotEnforced):
            delete()
        first_is_back.set()
        with pytest.raises(NotEnforced, match="everything is as it was before"):
            calls[0].result(DEADLINE)
    assert organizations.get(context, owner).name == NAME
    assert owner.organization_id in hub.enforced


def test_a_deletion_that_removes_rows_is_not_taken_back(
    context: Context, store: Store, hub: FakeHub, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs two deletions at once: one fails at the data plane, after the other has removed some rows."""

    def remove(_: str) -> None:
        monkeypatch.setattr(hub, "remove", lambda _: None)
        cut_off(context, hub, owner, cut_between_rows)
        raise HubError("refused")

    monkeypatch.setattr(hub, "remove", remove)
    with pytest.raises(NotEnforced, match="goes on by itself"):
        deletion.delete(context, owner, confirm=NAME)
    deletion.resume(context, times.now())
    assert rows_naming(store, owner.organization_id, owner.member_id) == []


@pytest.mark.parametrize("lost_at", ["clear", "take back", "finish"])
def test_a_store_lost_during_a_deletion_is_reported_as_lost(
    context: Context, hub: FakeHub, owner: Actor, monkeypatch: pytest.MonkeyPatch, lost_at: str
) -> None:
    def fail(*_: object) -> None:
        raise Unavailable("Nothing was changed.")

    with monkeypatch.context() as patch:
        if lost_at == "clear":
            # With many hubs, the store tells which one has the organization.
            patch.setattr(hub, "remove", fail)
        elif lost_at == "take back":
            patch.setattr(hub, "refuses", True)
            patch.setattr(deletions, "revert", fail)
        else:
            patch.setattr(stored, "remove", fail)
        with pytest.raises(Unavailable, match="goes on by itself"):
            deletion.delete(context, owner, confirm=NAME)
    deletion.resume(context, times.now())
    with context.store.write() as transaction:
        assert deletions.find_locked(transaction, owner.organization_id) is None


def _kill(*_: Any) -> None:
    raise Killed
