"""Sealed data opens only with its own secret and for its own organization."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from appliance.vault import Lock, Vault, WrongSecret

SECRET = "a secret that is long enough"


def test_a_store_opens_with_its_secret_only() -> None:
    vault, lock = Vault.make(SECRET)
    keys = vault.new_organization_keys("acme")
    private = Vault.open(SECRET, lock).private_key("acme", keys.sealed_data_key, keys.sealed_private_key)
    assert len(base64.b64decode(private)) == 32
    assert private.encode() not in keys.sealed_private_key
    with pytest.raises(WrongSecret):
        Vault.open(SECRET + "x", lock)


def test_a_store_opens_by_the_key_of_its_vault_too() -> None:
    vault, lock = Vault.make(SECRET)
    keys = vault.new_organization_keys("acme")
    sealed = ("acme", keys.sealed_data_key, keys.sealed_private_key)
    assert Vault.of_key(vault.key, lock).private_key(*sealed) == vault.private_key(*sealed)
    other, _ = Vault.make(SECRET)
    with pytest.raises(WrongSecret):
        Vault.of_key(other.key, lock)


def test_sealed_keys_open_for_their_organization_only() -> None:
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


def test_a_new_secret_opens_keys_that_were_resealed_for_it() -> None:
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


# Sealed before the format had a version.
OLD_LOCK = Lock(
    bytes.fromhex("22ccebf21005050417fbd76cd06c4b58"),
    2**15,
    8,
    1,
    bytes.fromhex("8e70e8af1633bf23f0db4f0d97c2032a14abf45da861f66a88e0e09d2e643163e369fff72e598107042914ca772f7eab"),
)
OLD_DATA_KEY = base64.b64decode("UFVUWySSxk704T0CNpBoV+AYQQL6d63ysG1u7DRiQWW8ypNVuXGbJCahp69l/Ee5XHYBlRLjwbQU6Bvo")
OLD_PRIVATE_KEY = base64.b64decode(
    "4k+5gWYnX6d5sE4QTexEk6Emebrb8qMkkmB3Cy/eGyEoSyRDGQk2QU2xqjLzeIq3GGdPT1eIlrOiZKNV8KDWOT2487ACFOsP"
)
OLD_SEALED = {
    "a nonce that begins with 0": base64.b64decode("AAsu2sxTO78pCC/7JLq+pnqpKx8KrUfndV7q82lpiIHS"),
    "a nonce that begins as the version does": base64.b64decode("AeVM0IExKJd6QAlls9+UXKtgSEz50v/y7OstNiQq7eW7"),
}


def test_a_store_without_versions_opens_and_can_be_resealed() -> None:
    vault = Vault.open(SECRET, OLD_LOCK)
    private = vault.private_key("acme", OLD_DATA_KEY, OLD_PRIVATE_KEY)
    assert private == "sNVJFzAjbF0VtnfhL4FMK3VLWHN9xBwOfOC92Kjj+EE="
    new, lock = Vault.make("another secret that is long enough")
    resealed = vault.resealed_for(new, "acme", OLD_DATA_KEY)
    again = Vault.open("another secret that is long enough", lock)
    assert again.private_key("acme", resealed, OLD_PRIVATE_KEY) == private
    with pytest.raises(WrongSecret):
        vault.private_key("bolt", OLD_DATA_KEY, OLD_PRIVATE_KEY)


@pytest.mark.parametrize("name", OLD_SEALED)
def test_data_without_a_version_opens(name: str) -> None:
    vault = Vault(b"k" * 32)
    assert vault.opened(OLD_SEALED[name], b"context") == b"plain"
    with pytest.raises(WrongSecret, match=r"^the unlock secret does not open this store$"):
        vault.opened(OLD_SEALED[name], b"another context")


def test_sealed_data_begins_with_its_version_and_is_bound_to_it() -> None:
    vault = Vault(b"k" * 32)
    sealed = vault.sealed(b"plain", b"context")
    assert sealed[0] == 1
    assert vault.opened(sealed, b"context") == b"plain"
    for damaged in (sealed[1:], b"\0" + sealed[1:], b"\2" + sealed[1:], sealed[:-1], b"\1", b""):
        with pytest.raises(WrongSecret):
            vault.opened(damaged, b"context")
