"""Signed statements about transcripts, in formats that other projects' tools verify.

Sources: DSSE (secure-systems-lab/dsse, protocol.md), in-toto Statement v1, and the in-toto test-result predicate v0.1.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey

from reports.schema import Transcript, is_folder

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
KEY_VARIABLE = "MESHWG_SIGNING_KEY_FILE"
SUBJECT = "transcript.json"
ENVELOPE = "attestation.dsse.json"
_BESIDE = ("transcript.html", "junit.xml")


class AttestationError(Exception):
    """An attestation is not valid; the message is one sentence with the reason."""


class Unreadable(AttestationError):
    """A file is missing or can't be read; the message is one sentence with the reason."""


@dataclass(frozen=True)
class Signer:
    """A key that signs statements.

    Attributes:
        key: the private key.
        kept: True for a key that outlives this run, so that others could know it.
    """

    key: Ed25519PrivateKey
    kept: bool

    @classmethod
    def find(cls) -> Signer:
        """Reads the key that the environment variable `KEY_VARIABLE` names, or makes one for this run alone.

        Returns:
            The signer.

        Raises:
            AttestationError: the named file can't be read, or holds no Ed25519 key in PEM without a passphrase.
        """
        named = os.environ.get(KEY_VARIABLE)
        if not named:
            return cls(Ed25519PrivateKey.generate(), kept=False)
        try:
            key = serialization.load_pem_private_key(Path(named).read_bytes(), password=None)
        except OSError as error:
            raise AttestationError(f"The signing key {named} can't be read: {error.strerror}.") from error
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise AttestationError(
                f"The signing key {named} can't be read: it is no private key in PEM without a passphrase."
            ) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise AttestationError(f"The signing key {named} is not an Ed25519 key.")
        return cls(key, kept=True)

    def public_pem(self) -> bytes:
        """Returns the public key in PEM (RFC 7468), for those who verify."""
        return self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def attest(self, transcript: Transcript, files: Mapping[str, bytes]) -> bytes:
        """Signs a statement about a run.

        Args:
            transcript: the run.
            files: contents by name of the files whose digests the statement has, `SUBJECT` among them.

        Returns:
            A DSSE envelope in JSON.
        """
        envelope = Envelope(msgspec.json.encode(_statement(transcript, files)), PAYLOAD_TYPE, {})
        envelope.sign(CryptoSigner(self.key))
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
    key = _public_key(trusted or folder / "signing.pub")
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


def _public_key(path: Path) -> SSlibKey:
    content = _content(path)
    try:
        key = serialization.load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise AttestationError(f"{path} is no public key.") from error
    if not isinstance(key, Ed25519PublicKey):
        raise AttestationError(f"{path} is not an Ed25519 key.")
    return SSlibKey.from_crypto(key)


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
                }
            ],
            "passedTests": names[True],
            "failedTests": names[False],
        },
    }
