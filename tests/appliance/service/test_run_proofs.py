"""Verification of published runs: what the gate wrote passes, and nothing else."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.errors import Invalid
from appliance.service.run_proofs import check
from appliance.service.transcripts import FILES
from reports import attest
from reports.keys import Signer
from reports.schema import Transcript
from tests.appliance.published import written


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Provides the files of a run that is the fifth of its log, with entries before it."""
    out = tmp_path_factory.mktemp("gate") / "out"
    for day in range(1, 5):
        folder = written(out, f"2026-03-0{day}T12:00:00Z")
    return contents(folder)


def contents(folder: Path) -> dict[str, bytes]:
    """Reads the files of a run."""
    return {name: (folder / name).read_bytes() for name in FILES}


def test_runs_of_the_gate_hold_at_every_place_of_a_log(tmp_path: Path) -> None:
    for day in range(1, 8):
        check(contents(written(tmp_path / "out", f"2026-03-0{day}T12:00:00Z")))


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_changed_file_is_noticed(files: dict[str, bytes], name: str) -> None:
    middle = len(files[name]) // 2
    changed = bytes([files[name][middle] ^ 1])
    with pytest.raises(Invalid):
        check({**files, name: files[name][:middle] + changed + files[name][middle + 1 :]})


@pytest.mark.parametrize("name", sorted({*FILES} - {"transcript.html", "junit.xml", "card.png"}))
def test_a_missing_file_is_noticed(files: dict[str, bytes], name: str) -> None:
    with pytest.raises(Invalid, match=name):
        check({each: content for each, content in files.items() if each != name})


def test_another_key_is_refused(files: dict[str, bytes]) -> None:
    other = Signer(Ed25519PrivateKey.generate())
    with pytest.raises(Invalid, match="not signed by the key"):
        check({**files, "signing.pub": other.public_pem()})


def test_the_proof_of_another_run_is_refused(files: dict[str, bytes], tmp_path: Path) -> None:
    other = contents(written(tmp_path / "out", "2026-03-01T12:00:00Z"))
    with pytest.raises(Invalid, match="place in the log"):
        check({**files, "transcript.tlog-proof": other["transcript.tlog-proof"]})


def test_an_unsigned_attestation_is_refused(files: dict[str, bytes]) -> None:
    envelope = json.loads(files["attestation.dsse.json"])
    with pytest.raises(Invalid):
        check({**files, "attestation.dsse.json": json.dumps({**envelope, "signatures": []}).encode()})


@pytest.mark.parametrize("name", ["transcript.html", "junit.xml", "card.png"])
def test_a_file_that_was_not_signed_is_refused(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    signed = attest.attest

    def attested(signer: Signer, transcript: Transcript, made: Mapping[str, bytes]) -> bytes:
        return signed(signer, transcript, {each: content for each, content in made.items() if each != name})

    monkeypatch.setattr(attest, "attest", attested)
    with pytest.raises(Invalid, match=name):
        check(contents(written(tmp_path / "out", "2026-03-01T12:00:00Z")))


def test_a_hash_of_the_proof_matters(files: dict[str, bytes]) -> None:
    lines = files["transcript.tlog-proof"].split(b"\n")
    assert len(base64.b64decode(lines[3])) == 32
    lines[3] = base64.b64encode(b"\x00" * 32)
    with pytest.raises(Invalid, match="place in the log"):
        check({**files, "transcript.tlog-proof": b"\n".join(lines)})


@given(st.sampled_from(sorted({*FILES} - {"transcript.html", "junit.xml", "card.png"})), st.binary(max_size=200))
def test_any_bytes_are_refused_in_a_sentence(name: str, content: bytes) -> None:
    with pytest.raises(Invalid):
        check({**dict.fromkeys(FILES, b""), name: content})
