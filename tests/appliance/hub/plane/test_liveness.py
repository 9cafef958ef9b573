"""Times of handshakes are stored, seldom, and decide who is served first after a start."""

from __future__ import annotations

import pytest

from appliance.hub.plane.liveness import NOTED_EVERY_S, Liveness
from appliance.model.errors import Unavailable
from appliance.store import Store, organizations
from tests.appliance import databases
from tests.appliance.sealed import ACME, OLD, add_organization, opens, sealed

OTHER, LATER = "otherother", "laterlater"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs the tests of this module on both databases."""
    databases.parametrize(metafunc)


@pytest.fixture
def organized(store: Store) -> Store:
    """A store with three organizations, of which `ACME` is the oldest."""
    sealed(store)
    for name in (OTHER, LATER):
        add_organization(store, name, opens(store, OLD).new_organization_keys(name))
    return store


def order(store: Store) -> list[str]:
    with store.read() as transaction:
        return list(organizations.enforced_ids(transaction))


def test_those_heard_from_last_come_first(organized: Store) -> None:
    assert order(organized) == [ACME, OTHER, LATER]
    Liveness(organized, lambda: {LATER: 2_000.0, OTHER: 1_000.0}).note()
    assert order(organized) == [LATER, OTHER, ACME]


def test_a_time_is_stored_again_when_it_has_changed_much(organized: Store) -> None:
    heard = {ACME: 1_000.0, OTHER: 1_100.0}
    liveness = Liveness(organized, lambda: heard)
    liveness.note()
    heard[ACME] += NOTED_EVERY_S - 1
    liveness.note()
    assert order(organized) == [OTHER, ACME, LATER]
    heard[ACME] += 1
    liveness.note()
    assert order(organized) == [ACME, OTHER, LATER]


def test_a_time_that_was_not_stored_is_stored_next(organized: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    liveness = Liveness(organized, lambda: {LATER: 1_000.0})
    with monkeypatch.context() as away:
        away.setattr(organized, "write", refuse)
        with pytest.raises(Unavailable):
            liveness.note()
    liveness.note()
    assert order(organized) == [LATER, ACME, OTHER]


def refuse() -> None:
    """Refuses to write, as a store whose database is away."""
    raise Unavailable("gone", retry_after=1)
