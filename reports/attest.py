"""A signed statement about a transcript, in the formats that other people's tools verify.

Sources: DSSE (secure-systems-lab/dsse, protocol.md), in-toto Statement v1, and the test-result predicate v0.1.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer._crypto_signer import CryptoSigner
from securesystemslib.signer._key import SSlibKey

from reports.schema import PROVEN, Transcript

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
KEY_VARIABLE = "MESHWG_SIGNING_KEY_FILE"
SUBJECT = "transcript.json"


class AttestationError(Exception):
    """The attestation does not say what it should; the message says why in one sentence."""


@dataclass(frozen=True)
class Signer:
    """Who signs.

    Attributes:
        kept: whether the key outlives this run, so that somebody could know it.
    """

    key: Ed25519PrivateKey
    kept: bool

    @classmethod
    def find(cls) -> Signer:
        """The key that the environment names, or one for this run alone.

        Raises:
            AttestationError: the named key can't be read or is not an Ed25519 key.
        """
        named = os.environ.get(KEY_VARIABLE)
        if not named:
            return cls(Ed25519PrivateKey.generate(), kept=False)
        try:
            key = serialization.load_pem_private_key(Path(named).read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as error:
            raise AttestationError(f"The signing key {named} can't be read: {error}.") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise AttestationError(f"The signing key {named} is not an Ed25519 key.")
        return cls(key, kept=True)

    def public_pem(self) -> bytes:
        """The public key, for whoever verifies."""
        return self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def attest(self, transcript: Transcript, text: bytes) -> bytes:
        """The signed statement about a transcript with this text."""
        envelope = Envelope(msgspec.json.encode(_statement(transcript, text)), PAYLOAD_TYPE, {})
        envelope.sign(CryptoSigner(self.key))
        return msgspec.json.format(msgspec.json.encode(envelope.to_dict()), indent=2) + b"\n"


def verify(folder: Path, trusted: Path | None = None) -> bool:
    """Checks signature and digest of the transcript in a folder.

    Args:
        trusted: PEM of a key that the caller knows; without it the one that lies in the folder is taken.

    Returns:
        Whether the key is one that the caller knows. If not, only accidents are ruled out, not forgery.

    Raises:
        AttestationError: something does not hold.
    """
    key = _public_key(trusted or folder / "signing.pub")
    try:
        envelope = Envelope.from_dict(msgspec.json.decode((folder / "attestation.dsse.json").read_bytes()))
        text = (folder / SUBJECT).read_bytes()
    except OSError as error:
        raise AttestationError(f"{error.filename} can't be read: {error.strerror}.") from error
    except Exception as error:
        raise AttestationError(f"The attestation in {folder} is no DSSE envelope.") from error
    if envelope.payload_type != PAYLOAD_TYPE:
        raise AttestationError(f"The attestation is of type {envelope.payload_type}, not {PAYLOAD_TYPE}.")
    try:
        envelope.verify([key], 1)
    except (VerificationError, ValueError) as error:
        raise AttestationError("The signature was not made by this key.") from error
    _check_subject(envelope.payload, text)
    return trusted is not None


def _check_subject(payload: bytes, text: bytes) -> None:
    try:
        statement = msgspec.json.decode(payload)
        digests = [each["digest"]["sha256"] for each in statement["subject"] if each["name"] == SUBJECT]
        kind = statement["predicateType"]
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise AttestationError("The attestation's payload is no in-toto statement.") from error
    if kind != PREDICATE_TYPE:
        raise AttestationError(f"The attestation speaks of {kind}, not of a test result.")
    if digests != [hashlib.sha256(text).hexdigest()]:
        raise AttestationError("The transcript is not the one that was signed.")


def _public_key(path: Path) -> SSlibKey:
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise AttestationError(f"{path} can't be read: {error.strerror}.") from error
    except ValueError as error:
        raise AttestationError(f"{path} is no public key.") from error
    if not isinstance(key, Ed25519PublicKey):
        raise AttestationError(f"{path} is not an Ed25519 key.")
    return SSlibKey.from_crypto(key)


def _statement(transcript: Transcript, text: bytes) -> dict[str, Any]:
    names: dict[bool, list[str]] = {True: [], False: []}
    for claim in transcript.claims:
        for scenario in claim.scenarios:
            names[scenario.verdict == PROVEN].append(f"{claim.id}/{scenario.name}")
    for sabotage in transcript.sabotage:
        names[sabotage.caught].append(f"sabotage/{sabotage.id}")
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": SUBJECT, "digest": {"sha256": hashlib.sha256(text).hexdigest()}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "result": "PASSED" if transcript.verdict == "pass" else "FAILED",
            "configuration": [
                {
                    "name": "environment",
                    "digest": {"sha256": hashlib.sha256(msgspec.json.encode(transcript.environment)).hexdigest()},
                    "annotations": dict(transcript.environment),
                }
            ],
            "passedTests": names[True],
            "failedTests": names[False],
        },
    }
