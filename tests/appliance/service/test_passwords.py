"""Rules for passwords, and Unicode normalization of typed ones."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Literal

import pytest
from argon2 import PasswordHasher

from appliance.model.errors import Invalid
from appliance.service import passwords

ABOUT = ("asha.rao@example.net", "Acme Networks")


@pytest.fixture(autouse=True)
def cheap_hashes() -> None:
    """Keeps the real cost of hashes in these tests."""


def refusal(password: str) -> str:
    with pytest.raises(Invalid) as refused:
        passwords.check_new(password, about=ABOUT)
    assert refused.value.field == "password"
    assert password not in refused.value.detail
    return refused.value.detail


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery",
        "several words and a space at the end ",
        "नमस्ते दुनिया फिर",
        "🐎🔋📎✅🐎🔋📎✅🐎🔋📎✅",
        "lower case only, no digit",
        "acme networks sells good cables",
        "x" * 5 + "yzw" * 300,
    ],
)
def test_any_characters_make_a_password(password: str) -> None:
    assert passwords.check_new(password, about=ABOUT) == password


def test_a_password_s_length_is_counted_in_characters() -> None:
    assert "9 characters" in refusal("ÄÖÜäöüßñç")
    assert "9 characters" in refusal("a\u0308" * 9)
    passwords.check_new("ÄÖÜäöüßñçø", about=ABOUT)
    assert "more than 1024" in refusal("correct horse battery " * 47)
    assert "more than 1024" in refusal("x" * 2**20)


@pytest.mark.parametrize("password", ["password123", "PassWord123", "QWERTYUIOP", "1q2w3e4r5t", "\uff50assword123"])
def test_common_passwords_are_refused(password: str) -> None:
    assert "try first" in refusal(password)


def test_the_list_of_common_passwords_is_large_and_clean() -> None:
    file = Path(passwords.__file__).with_name("common-passwords.txt.gz")
    listed = gzip.decompress(file.read_bytes()).decode().split()
    assert len(listed) >= 10_000
    assert min(map(len, listed)) >= passwords.SHORTEST
    for each in listed[::5000]:
        assert "try first" in refusal(each)


@pytest.mark.parametrize("password", ["abababababab", "!!!!!!!!!!!!!", "pqrstuvwxyz{|", "{zyxwvutsrqpon"])
def test_repetitions_and_sequences_are_refused(password: str) -> None:
    assert "a repetition or a sequence" in refusal(password)


@pytest.mark.parametrize(
    "password",
    [
        "asha.rao@example.net",
        "Asha.Rao2026!",
        "acme networks 1",
        "AcmeNetworks2026",
        "MeshWG-MeshWG",
        "acme-meshwg-rao1",
    ],
)
def test_passwords_made_of_known_names_are_refused(password: str) -> None:
    assert "a name that others know" in refusal(password)


def test_a_hash_has_the_recommended_cost_without_account_too(monkeypatch: pytest.MonkeyPatch) -> None:
    cost = "$argon2id$v=19$m=19456,t=2,p=1$"
    stored = passwords.hash_password("correct horse battery")
    checked: list[str] = []

    class Noting(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
            checked.append(str(hash))
            return super().verify(hash, password)

    monkeypatch.setattr(passwords, "hasher", Noting())
    assert passwords.verify(stored, "correct horse battery")
    assert not passwords.verify(None, "correct horse battery")
    assert [each.startswith(cost) for each in checked] == [True, True]


def test_another_unicode_form_of_the_password_opens_too() -> None:
    stored = passwords.hash_password("Zoë spricht 5 Sprachen")
    assert passwords.verify(stored, "Zoe\u0308 spricht 5 Sprachen")
    assert not passwords.verify(stored, "Zoe spricht 5 Sprachen")


def test_the_longest_password_opens_in_every_unicode_form() -> None:
    stored = passwords.hash_password(passwords.check_new("äöüx" * 256, about=ABOUT))
    assert passwords.verify(stored, "a\u0308o\u0308u\u0308x" * 256)
    assert not passwords.verify(stored, "a\u0308o\u0308u\u0308x" * 255)
