"""WireGuard keys and their canonical form."""

from __future__ import annotations

import base64

import pytest

from appliance.model.errors import Invalid
from appliance.model.keys import check_public_key, new_key_pair


def test_repr_of_a_key_pair_hides_the_private_key() -> None:
    pair = new_key_pair()
    assert len(base64.b64decode(pair.private)) == 32
    assert check_public_key(f" {pair.public}\n") == pair.public
    assert pair.private not in repr(pair)


def test_every_spelling_of_a_key_is_the_same_key() -> None:
    public = base64.b64encode(bytes(31) + b"\x01").decode()
    # The last character of 44 has two bits that decode to nothing.
    other = public[:42] + chr(ord(public[42]) + 1) + "="
    assert base64.b64decode(other) == base64.b64decode(public)
    assert check_public_key(other) == public


@pytest.mark.parametrize("raw", [bytes(32), b"\x01" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f"])
def test_a_point_of_small_order_is_refused(raw: bytes) -> None:
    with pytest.raises(Invalid, match="private key"):
        check_public_key(base64.b64encode(raw).decode())


@pytest.mark.parametrize(
    "text", ["", "x", base64.b64encode(bytes(32)).decode(), base64.b64encode(b"a" * 31).decode(), "é" * 44]
)
def test_invalid_keys_are_refused(text: str) -> None:
    with pytest.raises(Invalid):
        check_public_key(text)
