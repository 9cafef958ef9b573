"""Authenticated encryption of a whole file under the unlock secret.

Layout: a header (magic, version, lock, the file's data key sealed under the unlock secret), the header's SHA-256, then
chunks of 64 KiB, each with a tag. A chunk's nonce is its number and a flag for the last one, and the header is
associated data of each chunk, so that chunks can't be dropped, moved or taken from another file.

Source: the chunks are the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár (2015), as in age.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from appliance.vault.vault import Lock, Vault, WorkFactor, WrongSecret

_MAGIC = b"MESHWG BACKUP\n"
_VERSION = 2
_OWNER = "meshwg backup"
_CHUNK = 64 * 2**10
_TAG_BYTES = 16
_DIGEST_BYTES = hashlib.sha256().digest_size
# By version: salt, scrypt's N, r and p, proof, sealed data key. Since version 2 the sealed parts begin with a version.
_FIELDS = {1: struct.Struct("!16sIHH48s60s"), 2: struct.Struct("!16sIHH49s61s")}
_NONCE = struct.Struct("!3xQ?")


class InvalidArchive(Exception):
    """The file is no archive, has a later version, or is damaged; the text is the end of a sentence about the file."""


def seal(plain: BinaryIO, sealed: BinaryIO, secret: str, work: WorkFactor) -> None:
    """Encrypt the content of ``plain`` into ``sealed``, in constant memory.

    Args:
        work: cost of each guess at the secret.
    """
    vault, lock = Vault.make(secret, work)
    data_key, sealed_data_key = vault.new_data_key(_OWNER)
    fields = _FIELDS[_VERSION].pack(
        lock.salt, lock.cost, lock.block_size, lock.parallelism, lock.proof, sealed_data_key
    )
    header = _MAGIC + bytes([_VERSION]) + fields
    sealed.write(header + hashlib.sha256(header).digest())
    cipher = ChaCha20Poly1305(data_key)
    for nonce, chunk in _numbered(plain, _CHUNK):
        sealed.write(cipher.encrypt(nonce, chunk, header))


def unseal(sealed: BinaryIO, plain: BinaryIO, secret: str) -> None:
    """Decrypt a file of `seal`. After an error ``plain`` may have a part of the content.

    Raises:
        WrongSecret: the file was sealed under another secret.
        InvalidArchive: the file is no archive, has a later version, or was changed.
    """
    header = _read_header(sealed)
    version, fields = header[len(_MAGIC)], header[len(_MAGIC) + 1 :]
    salt, cost, block_size, parallelism, proof, sealed_data_key = _FIELDS[version].unpack(fields)
    lock = Lock(salt, cost, block_size, parallelism, proof)
    if not lock.is_affordable:
        raise InvalidArchive("asks for more work than any backup needs")
    try:
        vault = Vault.open(secret, lock)
    except ValueError:
        raise InvalidArchive("has invalid scrypt parameters") from None
    try:
        cipher = ChaCha20Poly1305(vault.data_key(_OWNER, sealed_data_key))
        for nonce, chunk in _numbered(sealed, _CHUNK + _TAG_BYTES):
            plain.write(cipher.decrypt(nonce, chunk, header))
    except (InvalidTag, WrongSecret):
        raise InvalidArchive("is damaged or cut short") from None


def _read_header(sealed: BinaryIO) -> bytes:
    if sealed.read(len(_MAGIC)) != _MAGIC:
        raise InvalidArchive("is no backup")
    version = sealed.read(1)
    layout = _FIELDS.get(int.from_bytes(version, "big"))
    if layout is None:
        raise InvalidArchive("was made by a later version" if version else "is damaged or cut short")
    header, digest = _MAGIC + version + sealed.read(layout.size), sealed.read(_DIGEST_BYTES)
    # Only tells damage from a wrong secret. It is no protection, and needs to be none.
    if hashlib.sha256(header).digest() != digest:
        raise InvalidArchive("is damaged or cut short")
    return header


def _numbered(file: BinaryIO, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Nonce and content of each chunk; an empty file has one empty chunk."""
    number, chunk = 0, file.read(size)
    while True:
        following = file.read(size)
        yield _NONCE.pack(number, not following), chunk
        if not following:
            return
        number, chunk = number + 1, following
