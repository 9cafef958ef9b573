"""What is sealed opens with its own secret, for its own organization, and for nobody else."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from appliance.vault import Vault, WrongSecret

SECRET = "a secret that is long enough"


def test_a_store_opens_with_its_secret_only() -> None:
    vault, lock = Vault.make(SECRET)
    keys = vault.new_organization_keys("acme")
    private = Vault.open(SECRET, lock).private_key("acme", keys.sealed_data_key, keys.sealed_private_key)
    assert len(base64.b64decode(private)) == 32
    assert private.encode() not in keys.sealed_private_key
    with pytest.raises(WrongSecret):
        Vault.open(SECRET + "x", lock)


def test_sealed_keys_are_one_organization_s() -> None:
    vault, _ = Vault.make(SECRET)
    acme, bolt = vault.new_organization_keys("acme"), vault.new_organization_keys("bolt")
    for data_key, private_key in (
        (acme.sealed_data_key, bolt.sealed_private_key),
        (bolt.sealed_data_key, bolt.sealed_private_key),
        (b"", acme.sealed_private_key),
        (acme.sealed_data_key[:-1] + b"\0", acme.sealed_private_key),
    ):
        with pytest.raises(WrongSecret):
            vault.private_key("acme", data_key, private_key)


def test_a_new_secret_opens_what_was_resealed_for_it() -> None:
    old, _ = Vault.make(SECRET)
    new, lock = Vault.make("another secret that is long enough")
    keys = old.new_organization_keys("acme")
    resealed = old.resealed_for(new, "acme", keys.sealed_data_key)
    before = old.private_key("acme", keys.sealed_data_key, keys.sealed_private_key)
    assert new.private_key("acme", resealed, keys.sealed_private_key) == before
    with pytest.raises(WrongSecret):
        old.private_key("acme", resealed, keys.sealed_private_key)
    with pytest.raises(WrongSecret):
        Vault.open(SECRET, replace(lock, salt=b"0" * 16))
