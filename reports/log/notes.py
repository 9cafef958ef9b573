"""Signed notes and checkpoints (https://c2sp.org/signed-note, https://c2sp.org/tlog-checkpoint), with Ed25519."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

LARGEST = 64 * 2**10
"""Most bytes of a note; it has room for 16 signatures of any kind."""

_ED25519 = b"\x01"
_SIGNATURE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f]")


class NoteError(Exception):
    """A note is not valid, or not signed by the key; the message is one sentence with the reason."""


@dataclass(frozen=True)
class NoteKey:
    """A public key with the name that it signs notes under."""

    name: str
    key: Ed25519PublicKey

    @property
    def id(self) -> bytes:
        """Four bytes that stand before the key's signatures."""
        return hashlib.sha256(self.name.encode() + b"\n" + self._typed).digest()[:4]

    def __str__(self) -> str:
        """Text form of the key, as programs for signed notes take it (`vkey` in Go's sumdb/note)."""
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(self._typed).decode()}"

    @property
    def _typed(self) -> bytes:
        return _ED25519 + self.key.public_bytes_raw()


def sign(text: str, name: str, key: Ed25519PrivateKey) -> bytes:
    """Signs a text that ends in a newline; returns the note."""
    signed = NoteKey(name, key.public_key()).id + key.sign(text.encode())
    return f"{text}\n— {name} {base64.b64encode(signed).decode()}\n".encode()


def open_note(note: bytes, known: NoteKey) -> str:
    """Checks the signature of a note, and returns its text. Signatures of other keys are passed over.

    Raises:
        NoteError: it is no note, or has no valid signature of this key.
    """
    text, signatures = _split(note)
    valid = 0
    for line in signatures:
        found = _SIGNATURE.fullmatch(line)
        if found is None:
            raise NoteError("A line of signatures is not what it has to be.")
        signed = unbase64(found[2])
        if (found[1], signed[:4]) == (known.name, known.id):
            try:
                known.key.verify(signed[4:], text.encode())
            except InvalidSignature as error:
                raise NoteError("A signature of it was not made by this key.") from error
            valid += 1
    if not valid:
        raise NoteError("It is not signed by this key.")
    return text


def _split(note: bytes) -> tuple[str, list[str]]:
    if len(note) > LARGEST:
        raise NoteError(f"It is larger than {LARGEST} bytes.")
    try:
        content = note.decode()
    except UnicodeDecodeError as error:
        raise NoteError("It is not UTF-8.") from error
    text, blank, signatures = content.rpartition("\n\n")
    if not blank or not signatures.endswith("\n") or _CONTROL.search(content):
        raise NoteError("It is no signed note.")
    return f"{text}\n", signatures[:-1].split("\n")


@dataclass(frozen=True)
class Checkpoint:
    """Size and root of a log at one moment.

    Attributes:
        origin: name of the log.
        size: number of its entries.
        root: root of its hash tree.
    """

    origin: str
    size: int
    root: bytes

    def __str__(self) -> str:
        """Text of the note."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    def sign(self, key: Ed25519PrivateKey) -> bytes:
        """Returns the checkpoint as a note, signed under the log's name."""
        return sign(str(self), self.origin, key)

    @classmethod
    def open(cls, note: bytes, key: Ed25519PublicKey, origin: str | None = None) -> Checkpoint:
        """Reads a checkpoint and checks its signature.

        Args:
            note: the checkpoint.
            key: public key of the log.
            origin: name of the log; None takes the one that stands there.

        Raises:
            NoteError: it is no checkpoint of this log, or not signed by this key.
        """
        name = _split(note)[0].partition("\n")[0]
        if origin is not None and name != origin:
            raise NoteError(f"It is of the log {name}, not of {origin}.")
        lines = open_note(note, NoteKey(name, key)).split("\n")
        # Extension lines are no part of this log's checkpoints.
        if len(lines) != 4 or not name or not _SIZE.fullmatch(lines[1]):
            raise NoteError("It is no checkpoint.")
        root = unbase64(lines[2])
        if len(root) != hashlib.sha256().digest_size:
            raise NoteError("It is no checkpoint.")
        return cls(name, int(lines[1]), root)


def unbase64(text: str) -> bytes:
    """Decodes base64 that is written in its one proper form.

    Raises:
        NoteError: it is not.
    """
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteError("Its base64 is broken.") from error
    if base64.b64encode(found).decode() != text:
        raise NoteError("Its base64 is broken.")
    return found
