"""Verification of a published run: its signature, the digests of its files, and its place in the log of runs.

`meshwg transcript verify` checks more, with code of its own; a service at work has no part of the harness. The key that
lies beside a run signs it, so that this finds damage and accidents. Who copied the run here answers for its key.

Sources: DSSE (secure-systems-lab/dsse, protocol.md), in-toto Statement v1, C2SP signed-note, tlog-checkpoint and
tlog-proof, and RFC 9162, section 2.1.3.2.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from msgspec import Meta

from appliance.model.errors import Invalid

_PAYLOAD_TYPE = "application/vnd.in-toto+json"
_TRANSCRIPT, _ENVELOPE, _PROOF = "transcript.json", "attestation.dsse.json", "transcript.tlog-proof"
_KEY = "signing.pub"
_PROOFS = {_ENVELOPE, _PROOF, _KEY}
"""Files without a digest in the attestation: what they say is verified in other ways."""
_MOST_HASHES = 64


class _Signature(msgspec.Struct, frozen=True):
    sig: bytes


class _Envelope(msgspec.Struct, frozen=True, rename={"payload_type": "payloadType"}):
    payload: bytes
    payload_type: str
    signatures: Annotated[tuple[_Signature, ...], Meta(max_length=16)]


class _Subject(msgspec.Struct, frozen=True):
    name: str
    digest: dict[str, str]


class _Statement(msgspec.Struct, frozen=True):
    subject: Annotated[tuple[_Subject, ...], Meta(max_length=100)]


class _Place(msgspec.Struct, frozen=True):
    name: str
    index: int


class _Transcript(msgspec.Struct, frozen=True):
    log: _Place | None = None


class _Entry(msgspec.Struct, frozen=True):
    kind: str
    envelope: str = ""


# Made at import, for the reason in CONTRIBUTING.md.
_envelopes = msgspec.json.Decoder(_Envelope)
_statements = msgspec.json.Decoder(_Statement)
_transcripts = msgspec.json.Decoder(_Transcript)
_entries = msgspec.json.Decoder(_Entry)


def check(files: Mapping[str, bytes]) -> None:
    """Check that a run is signed, that its files are those that were signed, and that the log of runs has it.

    Args:
        files: contents of the run's files by name.

    Raises:
        Invalid: a part does not hold; the message says which.
    """
    try:
        key = load_pem_public_key(files[_KEY])
        if not isinstance(key, Ed25519PublicKey):
            raise Invalid("Its key is of another kind than Ed25519.")
        _check_signature(files, key)
        _check_place(files, key)
    except InvalidSignature:
        raise Invalid("It was not signed by the key that lies beside it.") from None
    except KeyError as missing:
        raise Invalid("Its file {name} is missing.", name=missing.args[0]) from None
    except (ValueError, UnsupportedAlgorithm, msgspec.MsgspecError):
        raise Invalid("Its signature or the proof of its place in the log can't be read.") from None


def _check_signature(files: Mapping[str, bytes], key: Ed25519PublicKey) -> None:
    envelope = _envelopes.decode(files[_ENVELOPE])
    kind, payload = envelope.payload_type.encode(), envelope.payload
    if envelope.payload_type != _PAYLOAD_TYPE or not envelope.signatures:
        raise Invalid("Its attestation is not signed, or of another kind.")
    # The pre-authentication encoding of DSSE.
    key.verify(envelope.signatures[0].sig, b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload))
    digests = {each.name: each.digest.get("sha256") for each in _statements.decode(payload).subject}
    for name in files.keys() - _PROOFS:
        if digests.get(name) != hashlib.sha256(files[name]).hexdigest():
            raise Invalid("Its file {name} is not what was signed.", name=name)


def _check_place(files: Mapping[str, bytes], key: Ed25519PublicKey) -> None:
    place = _transcripts.decode(files[_TRANSCRIPT]).log
    if place is None:
        raise Invalid("It is in no log of runs.")
    head, _, note = files[_PROOF].partition(b"\n\n")
    first, extra, index, *hashes = head.decode().split("\n")
    if first != "c2sp.org/tlog-proof@v1" or len(hashes) > _MOST_HASHES:
        raise ValueError("no proof of an entry")
    entry, number = _bytes(extra.removeprefix("extra ")), int(index.removeprefix("index "))
    origin, size, root = _checkpoint(note, key)
    found = _root(number, size, hashlib.sha256(b"\x00" + entry).digest(), [_bytes(each) for each in hashes])
    told = _entries.decode(entry)
    is_this = told.kind == "ended" and told.envelope == hashlib.sha256(files[_ENVELOPE]).hexdigest()
    if found != root or (origin, number) != (place.name, place.index) or not is_this:
        raise Invalid("The proof of its place in the log of runs does not hold.")


def _checkpoint(note: bytes, key: Ed25519PublicKey) -> tuple[str, int, bytes]:
    """Name, size and root of a log, from a note that this key signed."""
    text, _, signatures = note.decode().rpartition("\n\n")
    text += "\n"
    origin, size, root, _ = text.split("\n")
    typed = b"\x01" + key.public_bytes_raw()
    known = hashlib.sha256(origin.encode() + b"\n" + typed).digest()[:4]
    for line in signatures.splitlines():
        dash, name, signed = line.split(" ")
        content = _bytes(signed)
        if (dash, name, content[:4]) == ("\N{EM DASH}", origin, known):
            key.verify(content[4:], text.encode())
            return origin, int(size), _bytes(root)
    raise InvalidSignature


def _root(index: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> bytes | None:
    """Root of the tree that an entry and the hashes beside it lead to; None if they lead to none of this size."""
    node, last, found = index, size - 1, leaf
    if not 0 <= node <= last:
        return None
    for each in proof:
        if last == 0:
            return None
        if node % 2 or node == last:
            found = hashlib.sha256(b"\x01" + each + found).digest()
            while node and not node % 2:
                node, last = node >> 1, last >> 1
        else:
            found = hashlib.sha256(b"\x01" + found + each).digest()
        node, last = node >> 1, last >> 1
    return None if last else found


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
