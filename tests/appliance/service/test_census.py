"""Census of the host and the store: only what belongs to no organization is an orphan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from appliance.hub.host_objects import HostObjects
from appliance.service import Actor, Context, census
from appliance.store import Store
from tests.appliance.conftest import sign_up


@dataclass
class FakeHost:
    """Fake data plane with a namespace for each of these organizations."""

    organizations: list[str] = field(default_factory=list)
    meanwhile: Callable[[], object] = lambda: None

    def census(self) -> Sequence[HostObjects]:
        self.meanwhile()
        return [HostObjects(each, namespace=each) for each in self.organizations]

    def remove(self, organization: str) -> None:
        self.organizations.remove(organization)


def test_the_census_compares_host_and_store(store: Store, owner: Actor) -> None:
    host = FakeHost([owner.organization_id, "stray"])
    found = {each.organization: each for each in census.take(store, host)}
    mine, stray = found[owner.organization_id], found["stray"]
    assert (mine.name, mine.is_orphan, mine.rows["members"]) == ("acme-networks", False, 1)
    assert (stray.name, stray.is_orphan, dict(stray.rows)) == (None, True, {})
    assert mine.host == HostObjects(owner.organization_id, namespace=owner.organization_id)


def test_an_organization_missing_on_the_host_is_reported(store: Store, owner: Actor) -> None:
    (found,) = census.take(store, FakeHost())
    assert (found.organization, found.host, found.is_orphan) == (owner.organization_id, None, False)


def test_a_sign_up_in_progress_is_no_orphan(context: Context, store: Store) -> None:
    host = FakeHost()
    host.meanwhile = lambda: host.organizations.append(sign_up(context, "late@example.net").organization_id)
    (found,) = census.take(store, host)
    assert not found.is_orphan
    assert found.host is not None


def test_only_orphans_are_removed(store: Store, owner: Actor) -> None:
    host = FakeHost([owner.organization_id, "stray"])
    for each in census.take(store, host):
        if each.is_orphan:
            census.remove(store, host, each)
        else:
            with pytest.raises(ValueError, match="exists"):
                census.remove(store, host, each)
    assert host.organizations == [owner.organization_id]
    (left,) = census.take(store, host)
    assert left.rows["members"] == 1
