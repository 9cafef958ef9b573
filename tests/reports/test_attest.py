"""Signed statements: formats that other tools verify, and detection of every change."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from reports import publish
from reports.attest import verify
from reports.errors import AttestationError
from reports.keys import Signer
from reports.schema import SabotageVerdict
from tests.properties import sharing_fixtures
from tests.reports.recorded import public_pem_of
from tests.reports.samples import SOFTWARE, claim, run, scenario

ENVELOPE = "attestation.dsse.json"


@pytest.fixture
def folder(tmp_path: Path, signer: Signer) -> Path:
    """Writes the files of a signed run."""
    return publish.write(run(), tmp_path / "out", signer=signer)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, signer: Signer) -> Path:
    """Writes the files of a signed run, for tests that restore them."""
    return publish.write(run(), tmp_path_factory.mktemp("kept"), signer=signer)


def envelope_of(folder: Path) -> dict[str, Any]:
    """Reads the envelope of a signed run."""
    found: dict[str, Any] = json.loads((folder / ENVELOPE).read_bytes())
    return found


def sign_by_hand(key: Ed25519PrivateKey, payload_type: str, payload: bytes) -> str:
    """Makes a DSSE signature by the specification alone."""
    kind = payload_type.encode()
    message = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
    return base64.b64encode(key.sign(message)).decode()


def test_a_signed_run_is_verified(folder: Path, signer: Signer, tmp_path: Path) -> None:
    known = tmp_path / "known.pub"
    known.write_bytes(signer.public_pem())
    assert verify(folder, known) is True
    # By the key that lies beside it: only accidents are ruled out.
    assert verify(folder) is False
    assert verify(folder / "transcript.json", known) is True


def test_the_envelope_is_what_other_tools_expect(folder: Path) -> None:
    envelope = envelope_of(folder)
    assert envelope.keys() == {"payload", "payloadType", "signatures"}
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    (signature,) = envelope["signatures"]
    assert signature.keys() == {"keyid", "sig"}
    payload = base64.b64decode(envelope["payload"], validate=True)
    kind = envelope["payloadType"].encode()
    public = serialization.load_pem_public_key((folder / "signing.pub").read_bytes())
    assert isinstance(public, Ed25519PublicKey)
    message = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
    public.verify(base64.b64decode(signature["sig"], validate=True), message)
    with pytest.raises(InvalidSignature):
        public.verify(base64.b64decode(signature["sig"]), message + b" ")


def test_the_payload_is_an_in_toto_statement(tmp_path: Path, signer: Signer) -> None:
    made = run(
        claim("one-hub", scenario("test_good"), scenario("test_slow", "inconclusive"), verdict="inconclusive"),
        claim("no-egress", scenario("test_leaks", "refuted"), verdict="refuted"),
        sabotage=[SabotageVerdict("leak", "one-hub", caught=True), SabotageVerdict("hole", "no-egress", caught=False)],
        verdict="fail",
    )
    folder = publish.write(made, tmp_path, signer=signer)
    statement = json.loads(base64.b64decode(envelope_of(folder)["payload"]))
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    subjects = {each["name"]: each["digest"] for each in statement["subject"]}
    for name in ("transcript.json", "transcript.html", "junit.xml", "card.png"):
        assert subjects.pop(name) == {"sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest()}
    assert subjects == {}
    predicate = statement["predicate"]
    assert predicate["result"] == "FAILED"
    assert predicate["passedTests"] == ["one-hub/test_good", "sabotage/leak"]
    assert predicate["failedTests"] == ["one-hub/test_slow", "no-egress/test_leaks", "sabotage/hole"]
    configuration, *software = predicate["configuration"]
    assert configuration["name"] == "environment"
    assert software == []
    assert configuration["annotations"] == {"kernel": "6.1.0", "cpus": 2}


def test_the_statement_names_what_was_tested(tmp_path: Path, signer: Signer) -> None:
    folder = publish.write(run(tested=SOFTWARE), tmp_path, signer=signer)
    predicate = json.loads(base64.b64decode(envelope_of(folder)["payload"]))["predicate"]
    assert {each["name"]: each["digest"] for each in predicate["configuration"][1:]} == {
        "tree": {"sha256": SOFTWARE.tree, "gitTree": SOFTWARE.git_tree},
        "scenarios": {"sha256": SOFTWARE.scenarios},
        "packages": {"sha256": SOFTWARE.packages_digest},
        "requirements.lock": {"sha256": SOFTWARE.locks["requirements.lock"]},
    }


@pytest.mark.parametrize(("verdict", "result"), [("pass", "PASSED"), ("fail", "FAILED"), ("", "FAILED")])
def test_only_a_run_that_passes_is_attested_as_passed(
    tmp_path: Path, signer: Signer, verdict: str, result: str
) -> None:
    folder = publish.write(run(verdict=verdict), tmp_path, signer=signer)
    assert json.loads(base64.b64decode(envelope_of(folder)["payload"]))["predicate"]["result"] == result


@given(data=st.data())
@sharing_fixtures(50)
@pytest.mark.parametrize("name", ["transcript.json", "transcript.html", "junit.xml", "card.png"])
def test_every_changed_byte_of_signed_files_is_detected(kept: Path, name: str, data: st.DataObject) -> None:
    file = kept / name
    whole = file.read_bytes()
    place = data.draw(st.integers(0, len(whole)))
    mutant = data.draw(
        st.sampled_from(
            [
                whole[:place],
                whole[:place] + b" " + whole[place:],
                whole[:place] + bytes(255 - byte for byte in whole[place : place + 1]) + whole[place + 1 :],
            ]
        )
    )
    try:
        file.write_bytes(mutant)
        if mutant == whole:
            verify(kept)
        else:
            with pytest.raises(AttestationError, match=f"/{name} is not what was signed"):
                verify(kept)
    finally:
        file.write_bytes(whole)


@given(data=st.data())
@sharing_fixtures(300)
def test_changed_bytes_of_the_envelope_are_detected_or_harmless(kept: Path, data: st.DataObject) -> None:
    file = kept / ENVELOPE
    whole = file.read_bytes()
    meaning = json.loads(whole)
    place = data.draw(st.integers(0, len(whole) - 1))
    mutant = whole[:place] + bytes([data.draw(st.integers(0, 255))]) + whole[place + 1 :]
    try:
        file.write_bytes(mutant)
        try:
            verify(kept)
        except AttestationError:
            return
        # The last letter of base64 has bits that say nothing, and so has white space.
        changed = json.loads(mutant)
        assert changed["payloadType"] == meaning["payloadType"]
        assert base64.b64decode(changed["payload"]) == base64.b64decode(meaning["payload"])
        for one, other in zip(changed["signatures"], meaning["signatures"], strict=True):
            assert base64.b64decode(one["sig"]) == base64.b64decode(other["sig"])
    finally:
        file.write_bytes(whole)


def no_signature(envelope: dict[str, Any]) -> None:
    envelope["signatures"] = []


def empty_signature(envelope: dict[str, Any]) -> None:
    envelope["signatures"][0]["sig"] = ""


def another_payload(envelope: dict[str, Any]) -> None:
    statement = json.loads(base64.b64decode(envelope["payload"]))
    statement["predicate"]["result"] = "FAILED"
    envelope["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()


def another_type(envelope: dict[str, Any]) -> None:
    envelope["payloadType"] = "application/json"


def no_type(envelope: dict[str, Any]) -> None:
    del envelope["payloadType"]


def another_signer(envelope: dict[str, Any]) -> None:
    stranger = Ed25519PrivateKey.generate()
    payload = base64.b64decode(envelope["payload"])
    envelope["signatures"][0]["sig"] = sign_by_hand(stranger, envelope["payloadType"], payload)


def another_key_id(envelope: dict[str, Any]) -> None:
    envelope["signatures"][0]["keyid"] = "0" * 64


@pytest.mark.parametrize(
    "change", [no_signature, empty_signature, another_payload, another_type, no_type, another_signer, another_key_id]
)
def test_a_changed_envelope_is_detected(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    envelope = envelope_of(folder)
    change(envelope)
    (folder / ENVELOPE).write_text(json.dumps(envelope))
    with pytest.raises(AttestationError):
        verify(folder)


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"{}", b"{", b"\xff", b"[" * 100_000, b'{"payload": 1}'])
def test_a_file_that_is_no_envelope_is_refused_in_one_sentence(folder: Path, content: bytes) -> None:
    (folder / ENVELOPE).write_bytes(content)
    with pytest.raises(AttestationError, match="no DSSE envelope"):
        verify(folder)


GOOD_DIGEST = "of the transcript"


@pytest.mark.parametrize(
    "changes",
    [
        {"_type": "https://in-toto.io/Statement/v0.1"},
        {"_type": None},
        {"predicateType": "https://slsa.dev/provenance/v1"},
        {"subject": []},
        {"subject": None},
        {"subject": [{"name": "transcript.json", "digest": {"sha1": "0" * 40}}]},
        {"subject": [{"name": "transcript.json", "digest": {"sha256": "0" * 64}}]},
        {"subject": [{"name": "another.json", "digest": GOOD_DIGEST}]},
        {"subject": ["transcript.json"]},
    ],
    ids=str,
)
def test_a_signature_on_another_subject_is_no_attestation(
    folder: Path, signer: Signer, changes: dict[str, Any]
) -> None:
    envelope = envelope_of(folder)
    statement = json.loads(base64.b64decode(envelope["payload"]))
    digest = next(each["digest"] for each in statement["subject"] if each["name"] == "transcript.json")
    changed = json.dumps({**statement, **changes}).replace(json.dumps(GOOD_DIGEST), json.dumps(digest))
    payload = changed.encode()
    envelope["payload"] = base64.b64encode(payload).decode()
    envelope["signatures"][0]["sig"] = sign_by_hand(signer.key, envelope["payloadType"], payload)
    (folder / ENVELOPE).write_text(json.dumps(envelope))
    with pytest.raises(AttestationError):
        verify(folder)


def test_a_statement_signed_under_another_type_is_refused(folder: Path, signer: Signer) -> None:
    envelope = envelope_of(folder)
    envelope["payloadType"] = "application/json"
    payload = base64.b64decode(envelope["payload"])
    envelope["signatures"][0]["sig"] = sign_by_hand(signer.key, "application/json", payload)
    (folder / ENVELOPE).write_text(json.dumps(envelope))
    with pytest.raises(AttestationError, match="is of type application/json"):
        verify(folder)


@pytest.mark.parametrize("payload", [b"", b"null", b"[1]", b"\xff", b"[" * 100_000, b'"text"'])
def test_a_signed_payload_that_is_no_statement_is_refused(folder: Path, signer: Signer, payload: bytes) -> None:
    envelope = envelope_of(folder)
    envelope["payload"] = base64.b64encode(payload).decode()
    envelope["signatures"][0]["sig"] = sign_by_hand(signer.key, envelope["payloadType"], payload)
    (folder / ENVELOPE).write_text(json.dumps(envelope))
    with pytest.raises(AttestationError, match="no in-toto statement"):
        verify(folder)


def test_another_key_does_not_verify(folder: Path, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.pub"
    stranger.write_bytes(public_pem_of(Ed25519PrivateKey.generate()))
    with pytest.raises(AttestationError, match="not made by this key"):
        verify(folder, stranger)
    shutil.copyfile(stranger, folder / "signing.pub")
    with pytest.raises(AttestationError, match="not made by this key"):
        verify(folder)


def test_a_forger_s_signature_fails_with_the_known_key(folder: Path, signer: Signer, tmp_path: Path) -> None:
    known = tmp_path / "known.pub"
    known.write_bytes(signer.public_pem())
    forger = Signer(Ed25519PrivateKey.generate())
    forged = publish.write(run(seed=1), tmp_path / "forged", signer=forger)
    assert verify(forged) is False
    with pytest.raises(AttestationError, match="not made by this key"):
        verify(forged, known)
    # The rest of a good run does not make a forged transcript a good one.
    shutil.copyfile(forged / "transcript.json", folder / "transcript.json")
    with pytest.raises(AttestationError, match="not what was signed"):
        verify(folder, known)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage",
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        # An algorithm that nobody knows: 1.2.3.4.
        b"-----BEGIN PUBLIC KEY-----\nMAwwBQYDKgMEAwMAAAA=\n-----END PUBLIC KEY-----\n",
        public_pem_of(ec.generate_private_key(ec.SECP256R1())),
    ],
    # Workers of a parallel run compare names, and keys are new in each.
    ids=["empty", "garbage", "broken", "unknown", "elliptic"],
)
def test_a_file_that_is_no_key_is_refused_in_one_sentence(folder: Path, content: bytes) -> None:
    (folder / "signing.pub").write_bytes(content)
    with pytest.raises(AttestationError, match=r"is no public key|is not an Ed25519 key"):
        verify(folder)


@pytest.mark.parametrize("name", ["transcript.json", ENVELOPE, "signing.pub"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(AttestationError, match=f"{name} can't be read: No such file or directory"):
        verify(folder)


@pytest.mark.parametrize("name", ["transcript.html", "junit.xml", "card.png"])
def test_a_transcript_is_verified_without_the_other_files(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert verify(folder) is False


def test_another_file_of_the_folder_is_not_the_signed_one(folder: Path) -> None:
    doctored = folder / "better.json"
    doctored.write_bytes((folder / "transcript.json").read_bytes().replace(b"quick", b"soak"))
    with pytest.raises(AttestationError, match="not what was signed"):
        verify(doctored)
    with pytest.raises(AttestationError, match="can't be read"):
        verify(folder / "missing.json")
