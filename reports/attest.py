"""Signed statements about transcripts, in formats that other projects' tools verify.

Sources: DSSE (secure-systems-lab/dsse, protocol.md), in-toto Statement v1, and the in-toto test-result predicate v0.1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey

from reports import keys
from reports.errors import AttestationError, Unreadable
from reports.keys import Signer
from reports.schema import Transcript, is_folder
from reports.software import Software

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
SUBJECT = "transcript.json"
ENVELOPE = "attestation.dsse.json"
PUBLIC_KEY = "signing.pub"
_BESIDE = ("transcript.html", "junit.xml", "card.png")


def attest(signer: Signer, transcript: Transcript, files: Mapping[str, bytes]) -> bytes:
    """Signs a statement about a run.

    Args:
        signer: key that signs.
        transcript: the run.
        files: contents by name of the files whose digests the statement has, `SUBJECT` among them.

    Returns:
        A DSSE envelope in JSON.
    """
    envelope = Envelope(msgspec.json.encode(_statement(transcript, files)), PAYLOAD_TYPE, {})
    envelope.sign(CryptoSigner(signer.key))
    return msgspec.json.format(msgspec.json.encode(envelope.to_dict()), indent=2) + b"\n"


def verify(transcript: Path, trusted: Path | None = None) -> bool:
    """Checks the signature of a transcript, and the digests of it and of the signed files beside it.

    Args:
        transcript: file of the transcript under any name, or folder of its run.
        trusted: file with a public key in PEM that the caller knows; None takes the one that lies beside the
            transcript.

    Returns:
        True if the caller named the key. Otherwise accidents are ruled out, forgery is not.

    Raises:
        Unreadable: a needed file is missing.
        AttestationError: the signature, a digest or a format does not hold.
    """
    file = transcript / SUBJECT if is_folder(transcript) else transcript
    folder = file.parent
    text = _content(file)
    content = _content(folder / ENVELOPE)
    key = SSlibKey.from_crypto(keys.public_key(trusted or folder / PUBLIC_KEY))
    try:
        envelope = Envelope.from_dict(msgspec.json.decode(content))
    except Exception as error:
        raise AttestationError(f"The attestation in {folder} is no DSSE envelope.") from error
    if envelope.payload_type != PAYLOAD_TYPE:
        raise AttestationError(f"The attestation is of type {envelope.payload_type}, not {PAYLOAD_TYPE}.")
    try:
        envelope.verify([key], 1)
    except (VerificationError, ValueError) as error:
        raise AttestationError("The signature was not made by this key.") from error
    digests = _digests(envelope.payload)
    if digests.get(SUBJECT) != _digest(text):
        raise AttestationError(f"{file} is not what was signed.")
    for name in _BESIDE:
        if name in digests and (folder / name).exists() and digests[name] != _digest(_content(folder / name)):
            raise AttestationError(f"{folder / name} is not what was signed.")
    return trusted is not None


def _digests(payload: bytes) -> dict[str, str]:
    """Digests by name of the files that a statement is about."""
    try:
        statement = msgspec.json.decode(payload)
        form, kind = statement["_type"], statement["predicateType"]
        digests = {each["name"]: each["digest"]["sha256"] for each in statement["subject"]}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError, TypeError) as error:
        raise AttestationError("The attestation's payload is no in-toto statement.") from error
    if form != STATEMENT_TYPE:
        raise AttestationError(f"The attestation's payload is of type {form}, not {STATEMENT_TYPE}.")
    if kind != PREDICATE_TYPE:
        raise AttestationError(f"The attestation speaks of {kind}, not of a test result.")
    return digests


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unreadable(f"{path} can't be read: {error.strerror}.") from error


def _statement(transcript: Transcript, files: Mapping[str, bytes]) -> dict[str, Any]:
    names: dict[bool, list[str]] = {True: [], False: []}
    for claim in transcript.claims:
        for scenario in claim.scenarios:
            names[scenario.is_proven].append(f"{claim.id}/{scenario.name}")
    for sabotage in transcript.sabotage:
        names[sabotage.caught].append(f"sabotage/{sabotage.id}")
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": _digest(content)}} for name, content in files.items()],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "result": "PASSED" if transcript.verdict == "pass" else "FAILED",
            "configuration": [
                {
                    "name": "environment",
                    "digest": {"sha256": _digest(msgspec.json.encode(transcript.environment))},
                    "annotations": dict(transcript.environment),
                },
                *([] if transcript.tested is None else _software(transcript.tested)),
            ],
            "passedTests": names[True],
            "failedTests": names[False],
        },
    }


def _software(tested: Software) -> list[dict[str, Any]]:
    """Digests of what was tested, as resource descriptors of in-toto."""
    found = {"scenarios": tested.scenarios, "packages": tested.packages_digest, **tested.locks}
    described: list[dict[str, Any]] = [{"name": name, "digest": {"sha256": each}} for name, each in found.items()]
    if tested.tree is not None:
        git = {"gitTree": tested.git_tree} if tested.git_tree else {}
        described.insert(0, {"name": "tree", "digest": {"sha256": tested.tree, **git}})
    return described
