"""Rotation of the unlock secret: afterwards exactly one of the two secrets opens everything."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import AbstractContextManager, nullcontext

import pytest
from sqlalchemy import Connection

from appliance.model.ids import OPERATORS
from appliance.store import Store, deletions, instance, organizations, times
from appliance.store.rotation import rotated
from appliance.vault import Vault, WrongSecret
from tests.appliance import sealed as sealing
from tests.appliance.sealed import ACME, NEW, OLD, add_organization, opens
from tests.waiting import DEADLINE

ORGANIZATIONS = (ACME, "bolt", "core")


@pytest.fixture
def sealed(store: Store) -> Store:
    """Provides a store with three organizations, sealed under the old secret."""
    sealing.sealed(store)
    vault = opens(store, OLD)
    for name in ORGANIZATIONS[1:]:
        add_organization(store, name, vault.new_organization_keys(name))
    return store


def private_keys(store: Store, vault: Vault) -> dict[str, str]:
    """Private keys by organization.

    Raises:
        WrongSecret: one of them does not open.
    """
    found = {}
    with store.read() as transaction:
        for name in ORGANIZATIONS:
            state = organizations.desired(transaction, name)
            assert state is not None
            found[name] = vault.private_key(name, state.sealed_data_key, state.sealed_private_key)
    return found


def test_only_the_new_secret_opens_everything(sealed: Store) -> None:
    before = private_keys(sealed, opens(sealed, OLD))
    with rotated(sealed, OLD, NEW, nullcontext()) as vault:
        assert private_keys(sealed, vault) == before
    assert private_keys(sealed, opens(sealed, NEW)) == before
    with pytest.raises(WrongSecret):
        opens(sealed, OLD)


def test_operators_secrets_open_after_a_rotation(sealed: Store) -> None:
    data_key, sealed_key = opens(sealed, OLD).new_data_key(OPERATORS)
    with sealed.write() as transaction:
        instance.replace_operators_key(transaction, sealed_key)
    with rotated(sealed, OLD, NEW, nullcontext()):
        pass
    with sealed.read() as transaction:
        found = instance.operators_key(transaction)
    assert found is not None
    assert opens(sealed, NEW).data_key(OPERATORS, found) == data_key


def test_a_wrong_present_secret_changes_nothing(sealed: Store) -> None:
    with pytest.raises(WrongSecret), rotated(sealed, NEW, NEW, nullcontext()):
        pass
    private_keys(sealed, opens(sealed, OLD))


def test_a_key_that_can_t_be_opened_prevents_the_rotation(sealed: Store) -> None:
    other_vault, _ = Vault.make(NEW)
    add_organization(sealed, "odd", other_vault.new_organization_keys("odd"))
    with pytest.raises(WrongSecret), rotated(sealed, OLD, NEW, nullcontext()):
        pass
    private_keys(sealed, opens(sealed, OLD))


def test_an_unfinished_deletion_does_not_prevent_a_rotation(sealed: Store) -> None:
    with sealed.write() as transaction:
        acme = deletions.find_locked(transaction, ACME)
        assert acme is not None
        deletions.begin(transaction, acme, times.now())
    with rotated(sealed, OLD, NEW, nullcontext()):
        pass
    with sealed.read() as transaction:
        assert deletions.unfinished(transaction) == [ACME]
    opens(sealed, NEW)


def test_the_second_of_two_concurrent_rotations_is_refused(sealed: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without keys, so that the lock alone shows the first rotation.
    with sealed.write() as transaction:
        for name in ORGANIZATIONS:
            organizations.remove(transaction, name)
    make = Vault.make

    def overtaken(secret: str) -> object:
        monkeypatch.setattr(Vault, "make", make)
        with rotated(sealed, OLD, "a third secret, long enough", nullcontext()):
            pass
        return make(secret)

    monkeypatch.setattr(Vault, "make", overtaken)
    with pytest.raises(WrongSecret), rotated(sealed, OLD, NEW, nullcontext()):
        pass
    opens(sealed, "a third secret, long enough")


def test_a_rotation_waits_for_a_change_without_holding_the_guard(
    sealed: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rotates during a change, which needs the guard: a rotation that held it would deadlock."""
    guard, waits, write = threading.Lock(), threading.Event(), sealed.write

    def announced() -> AbstractContextManager[Connection]:
        waits.set()
        return write()

    def rotate() -> None:
        with rotated(sealed, OLD, NEW, guard):
            assert guard.locked()

    thread = threading.Thread(target=rotate)
    with write() as transaction:
        organizations.find_locked(transaction, ACME)
        monkeypatch.setattr(sealed, "write", announced)
        thread.start()
        assert waits.wait(DEADLINE)
        assert guard.acquire(timeout=DEADLINE)
        guard.release()
    thread.join()
    private_keys(sealed, opens(sealed, NEW))


KILLED = f"""
import os, signal, sys
from contextlib import nullcontext
from appliance.store import Store, {{module}}, rotation
original = {{module}}.{{function}}
def die(*arguments):
    original(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
{{module}}.{{function}} = die
with rotation.rotated(Store(sys.argv[1]), {OLD!r}, {NEW!r}, nullcontext()):
    pass
"""


@pytest.mark.long
@pytest.mark.parametrize("step", ["organizations.replace_data_key", "instance.replace_lock"])
def test_a_killed_rotation_leaves_everything_to_the_old_secret(sealed: Store, database: str, step: str) -> None:
    before = private_keys(sealed, opens(sealed, OLD))
    module, function = step.split(".")
    program = KILLED.format(module=module, function=function)
    done = subprocess.run([sys.executable, "-c", program, database], check=False, timeout=60, env=dict(os.environ))
    assert done.returncode == -signal.SIGKILL
    assert private_keys(sealed, opens(sealed, OLD)) == before
