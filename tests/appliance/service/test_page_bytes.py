"""Pages are bounded in bytes and in entries, and together they are the whole list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import func, select

from appliance.model.entries import LONGEST
from appliance.model.errors import Conflict, Invalid
from appliance.service import Actor, Context, machine_bounds, machines, organizations, pages
from appliance.store import audit, schema, times

Turn = Callable[[Any], tuple[Sequence[Any], Any]]


def all_pages(turn: Turn) -> list[Sequence[Any]]:
    found, mark = [], None
    while True:
        page, mark = turn(mark)
        found.append(page)
        if mark is None:
            return found


def test_a_page_of_the_audit_trail_is_bounded_in_bytes(context: Context, owner: Actor) -> None:
    """Reads entries of an earlier version, whose length was not limited."""
    long = {"groups": ["x" * 1000] * 50}
    with context.store.write() as transaction:
        for number in range(60):
            number_of = audit.record(transaction, owner.organization_id, "a", "machine.rotated", {}, times.now())
            transaction.execute(
                schema.audit.update().where(schema.audit.c.id == number_of).values(detail=long, size=50_000)
            )
            del number
    with context.store.read() as transaction:
        count = transaction.execute(select(func.count()).select_from(schema.audit)).scalar_one()

    found = all_pages(lambda mark: organizations.trail(context, owner, before=mark, limit=pages.LONGEST))
    assert len(found) > 1
    assert all(sum(len(str(entry.detail)) for entry in page) < 1.2 * pages.MOST_BYTES for page in found)
    assert len({entry.id for page in found for entry in page}) == sum(map(len, found)) == count


def test_a_page_has_at_least_one_entry_however_long(context: Context, owner: Actor) -> None:
    with context.store.write() as transaction:
        transaction.execute(schema.audit.update().values(size=10 * pages.MOST_BYTES))
    found = all_pages(lambda mark: organizations.trail(context, owner, before=mark, limit=10))
    assert [len(page) for page in found] == [1] * len(found)


def test_a_page_of_machines_is_bounded_in_bytes(
    context: Context, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "MOST_BYTES", 100_000)
    organizations.change(context, owner, plan="paid")
    groups = [f"{number:02d}" + "\U0001f600" * 60 for number in range(32)]
    made = [machines.add(context, owner, name=f"m{number}", groups=groups).machine.id for number in range(20)]
    found = all_pages(lambda mark: machines.page(context, owner, after=mark))
    assert len(found) > 1
    assert [each.machine.id for page in found for each in page] == made
    for page in found:
        assert sum(len(group.encode()) for each in page for group in each.machine.groups) < 100_000


def test_the_groups_of_a_machine_are_bounded_in_characters(context: Context, owner: Actor) -> None:
    with pytest.raises(Invalid) as refused:
        machines.add(context, owner, name="a", groups=[f"{number:02d}" + "x" * 98 for number in range(21)])
    assert refused.value.field == "groups"
    machines.add(context, owner, name="a", groups=[f"{number:02d}" + "x" * 98 for number in range(20)])


def test_the_machines_of_an_organization_are_bounded(
    context: Context, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_bounds, "MOST_MACHINES", 1)
    machines.add(context, owner, name="a")
    with pytest.raises(Conflict):
        machines.add(context, owner, name="b")


def test_changes_of_long_group_names_make_short_entries(context: Context, owner: Actor) -> None:
    """Sets the longest group names: an entry of the audit trail stays near its bound of 4 kB."""
    machine = machines.add(context, owner, name="\U0001f600" * 255).machine.id
    for turn in range(4):
        names = [f"{turn}{number:02d}" + "\U0001f600" * 59 for number in range(32)]
        machines.change(context, owner, machine, groups=names)
    with context.store.read() as transaction:
        sizes = transaction.execute(select(func.max(func.length(schema.audit.c.actor)), func.max(schema.audit.c.size)))
        assert sizes.one()[1] < LONGEST + 300
