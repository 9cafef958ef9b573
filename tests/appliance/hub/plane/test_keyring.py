"""Secrets of members and operators, sealed under the unlock secret."""

from __future__ import annotations

import threading

import pyotp
import pytest

from appliance.hub.errors import HubError
from appliance.hub.plane.keyring import Keyring
from appliance.model.ids import OPERATORS
from appliance.store import Store, instance
from tests.appliance.sealed import ACME, NEW, OLD, opens, sealed
from tests.waiting import DEADLINE

AT = 1_000_000.0


@pytest.fixture
def keyring(store: Store) -> Keyring:
    sealed(store)
    return Keyring(store, opens(store, OLD))


@pytest.mark.parametrize("owner", [ACME, OPERATORS])
def test_a_code_is_matched_before_and_after_a_rotation(keyring: Keyring, owner: str) -> None:
    made = keyring.new_code_secret(owner, "asha")
    code = pyotp.TOTP(made.secret).at(int(AT))
    assert keyring.matching_step(owner, "asha", made.sealed, code, AT) is not None
    keyring.rotate(OLD, NEW)
    assert keyring.matching_step(owner, "asha", made.sealed, code, AT) is not None


def test_secrets_of_members_and_operators_open_for_no_other(keyring: Keyring) -> None:
    of_member, of_operator = keyring.new_code_secret(ACME, "asha"), keyring.new_code_secret(OPERATORS, "asha")
    for owner, account, secret in (
        (OPERATORS, "asha", of_member.sealed),
        (ACME, "asha", of_operator.sealed),
        (OPERATORS, "ravi", of_operator.sealed),
    ):
        with pytest.raises(HubError):
            keyring.matching_step(owner, account, secret, "000000", AT)


def test_without_an_operator_there_is_no_key_of_theirs(keyring: Keyring, store: Store) -> None:
    with store.read() as transaction:
        assert instance.operators_key(transaction) is None
    with pytest.raises(HubError):
        keyring.matching_step(OPERATORS, "asha", b"", "000000", AT)


def test_first_secrets_made_at_once_share_one_key(keyring: Keyring) -> None:
    made = {}

    def make(name: str) -> None:
        made[name] = keyring.new_code_secret(OPERATORS, name)

    threads = [threading.Thread(target=make, args=(name,)) for name in ("asha", "ravi", "maya")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    for name, secret in made.items():
        code = pyotp.TOTP(secret.secret).at(int(AT))
        assert keyring.matching_step(OPERATORS, name, secret.sealed, code, AT) is not None
    assert len(made) == len(threads)
