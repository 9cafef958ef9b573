"""Search for secrets in every form."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.subject import exposure
from netlab import genkey
from tests.properties import sharing_fixtures

KEY = genkey()
RAW = base64.b64decode(KEY)


WRITTEN = {
    "text": KEY.encode(),
    "without padding": KEY.rstrip("=").encode(),
    "bytes": RAW,
    "reversed": RAW[::-1],
    "hex": RAW.hex().encode(),
    "HEX": RAW.hex().upper().encode(),
    "base64url": base64.urlsafe_b64encode(RAW),
    "base32": base64.b32encode(RAW),
    "JSON": json.dumps({"key": KEY}).encode(),
    "UTF-16": KEY.encode("utf-16-le"),
    "URL": KEY.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D").encode(),
    "JavaScript": KEY.replace("/", "\\/").encode(),
    "base64 of text": base64.b64encode(KEY.encode()),
}


@pytest.mark.parametrize("form", WRITTEN)
def test_every_form_is_found(form: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"\xff\0some" + WRITTEN[form] + b"thing")
    assert exposure.in_files([file], {"key": KEY})
    assert exposure.in_bytes(file.read_bytes(), {"key": KEY})
    assert not exposure.in_files([file], {"key": genkey()})


def test_a_secret_across_two_reads_is_found(tmp_path: Path) -> None:
    file = tmp_path / "file"
    for before in range(40, 80):
        file.write_bytes(b"x" * before + KEY.encode() + b"x" * 100)
        assert any(found.startswith("key (text)") for found in exposure.in_files([file], {"key": KEY}, chunk_size=64))


@given(st.binary(min_size=1, max_size=24), st.binary(max_size=40), st.binary(max_size=40), st.integers(1, 64))
@sharing_fixtures(60)
def test_a_text_of_any_length_is_found_at_any_offset(
    tmp_path: Path, secret: bytes, before: bytes, after: bytes, chunk_size: int
) -> None:
    file = tmp_path / "file"
    for content in (before + secret + after, before + after):
        file.write_bytes(content)
        found = exposure.in_files([file], {"it": secret.decode("latin-1")}, chunk_size)
        assert ("it (text) in file" in found) is (secret.decode("latin-1").encode() in content)


def test_a_file_that_disappeared_is_skipped(tmp_path: Path) -> None:
    assert exposure.in_files([tmp_path / "none"], {"key": KEY}) == []


def test_a_password_has_forms_of_text_only() -> None:
    found = exposure.forms("correct horse/battery")
    assert found["percent-encoded"] == b"correct%20horse%2Fbattery"
    assert "bytes" not in found
