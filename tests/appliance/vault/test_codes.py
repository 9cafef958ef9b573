"""One-time codes follow RFC 6238, and their secrets work for one member only."""

from __future__ import annotations

import base64

import pyotp
import pytest

from appliance.vault import Vault, WrongSecret, codes

# RFC 6238, appendix B, for SHA-1: the last six of its eight digits.
RFC_SECRET = base64.b32encode(b"12345678901234567890").decode()
RFC_CODES = [
    (1111111109, "081804"),
    (1111111111, "050471"),
    (1234567890, "005924"),
    (2000000000, "279037"),
    (20000000000, "353130"),
]


@pytest.fixture
def vault() -> Vault:
    return Vault(b"k" * 32)


@pytest.mark.parametrize(("at", "code"), RFC_CODES)
def test_codes_are_those_of_the_standard(vault: Vault, monkeypatch: pytest.MonkeyPatch, at: int, code: str) -> None:
    monkeypatch.setattr(pyotp, "random_base32", lambda: RFC_SECRET)
    _, data_key = vault.new_data_key("acme")
    made = codes.make(vault, "acme", data_key, "asha")
    for drift in (-codes.STEP_S, 0, codes.STEP_S):
        found = codes.matching_step(vault, "acme", data_key, "asha", made.sealed, code, at + drift)
        assert found == at // codes.STEP_S
    for drift in (-2 * codes.STEP_S, 2 * codes.STEP_S):
        assert codes.matching_step(vault, "acme", data_key, "asha", made.sealed, code, at + drift) is None


@pytest.mark.parametrize("code", ["", "000000", "28708", "2870820", "²87082", "\0" * 6])
def test_a_wrong_code_matches_no_step(vault: Vault, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.setattr(pyotp, "random_base32", lambda: RFC_SECRET)
    _, data_key = vault.new_data_key("acme")
    made = codes.make(vault, "acme", data_key, "asha")
    assert codes.matching_step(vault, "acme", data_key, "asha", made.sealed, code, 59) is None


def test_a_secret_is_sealed_for_one_member_of_one_organization(vault: Vault) -> None:
    _, data_key = vault.new_data_key("acme")
    _, other_key = vault.new_data_key("bolt")
    made = codes.make(vault, "acme", data_key, "asha")
    assert made.secret.encode() not in made.sealed
    assert made.secret not in repr(made)
    others = (("acme", data_key, "ravi"), ("bolt", other_key, "asha"), ("acme", other_key, "asha"))
    for organization, key, member in others:
        with pytest.raises(WrongSecret):
            codes.matching_step(vault, organization, key, member, made.sealed, "123456", 0)


def test_each_secret_has_160_random_bits(vault: Vault) -> None:
    _, data_key = vault.new_data_key("acme")
    made = {codes.make(vault, "acme", data_key, "asha").secret for _ in range(5)}
    assert len(made) == 5
    assert all(len(base64.b32decode(secret)) == 20 for secret in made)


@pytest.mark.parametrize("secret", ["", "A" * 31, "A" * 33, "a" * 32, "1" * 32, "A" * 31 + "="])
def test_no_code_is_made_of_what_is_no_secret(secret: str) -> None:
    with pytest.raises(ValueError, match="not a secret of 160 bits in base32"):
        codes.code_at(secret, 0)


def test_an_authenticator_s_uri_has_secret_account_and_issuer() -> None:
    read = pyotp.parse_uri(codes.provisioning_uri(RFC_SECRET, "asha@example.net", "MeshWG"))
    assert isinstance(read, pyotp.TOTP)
    assert (read.secret, read.name, read.issuer, read.interval) == (RFC_SECRET, "asha@example.net", "MeshWG", 30)
