"""A change without an entry in the audit trail is a mistake, and is not stored."""

from __future__ import annotations

import pytest

from appliance.service import Actor, Context, notices, organizations
from appliance.service.changes import OpenChange, carry_out
from appliance.service.recording import Recording, Unrecorded, recording
from appliance.service.sessions import NOWHERE
from appliance.store import organizations as stored
from appliance.store import people
from tests.appliance.fakes import FakeHub


def rename(record: Recording, name: str) -> None:
    before = record.organization
    stored.change(record.transaction, before.id, name=name, plan=before.plan)


def test_a_change_of_the_store_without_an_entry_is_refused(context: Context, owner: Actor) -> None:
    before = organizations.get(context, owner).name
    with pytest.raises(Unrecorded), recording(context, owner) as record:
        rename(record, "other")
    assert organizations.get(context, owner).name == before


def test_a_change_may_say_that_it_needs_no_entry(context: Context, owner: Actor) -> None:
    with recording(context, owner) as record:
        rename(record, "other")
        record.leave_no_entry()
    assert organizations.get(context, owner).name == "other"


def test_a_change_may_add_an_entry_of_its_own(context: Context, owner: Actor) -> None:
    with recording(context, owner) as record:
        member = people.by_id(record.transaction, owner.member_id)
        assert member is not None
        notices.record(context, record.transaction, member, "recovery-codes.made", NOWHERE)
    (newest, *_), _ = organizations.trail(context, owner)
    assert newest.action == "recovery-codes.made"


def test_an_unrecorded_data_plane_change_is_not_enforced(context: Context, owner: Actor, hub: FakeHub) -> None:
    def edit(change: OpenChange) -> None:
        change.is_suspended = True

    enforced = dict(hub.enforced)
    with pytest.raises(Unrecorded):
        carry_out(context, owner, edit)
    assert hub.enforced == enforced
