"""A file sealed as a whole under the unlock secret: nobody else reads it, and no change of it goes unnoticed.

Layout: a header (magic, version, how the secret became a key, the file's own data key sealed under that), its SHA-256,
then chunks of 64 KiB, each with a tag. A chunk's nonce is its number and whether it is the last one, and the header is
associated data of each, so chunks can't be dropped, moved or taken from another file.

Source: the chunks are the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár (2015), as age has it.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from appliance.vault.vault import Lock, Vault, Work, WrongSecret

_MAGIC = b"MESHWG BACKUP\n"
_VERSION = 2
_OWNER = "meshwg backup"
_CHUNK = 64 * 2**10
_TAG_BYTES = 16
_DIGEST_BYTES = hashlib.sha256().digest_size
# By version: salt, scrypt's N, r and p, proof, sealed data key. What `Vault` seals has a byte more since the second.
_FIELDS = {1: struct.Struct("!16sIHH48s60s"), 2: struct.Struct("!16sIHH49s61s")}
_NONCE = struct.Struct("!3xQ?")


class NoArchive(Exception):
    """The file is none of this kind, of a later version, or damaged; the message, a part of a sentence, says which."""


def seal(plain: BinaryIO, sealed: BinaryIO, secret: str, work: Work) -> None:
    """Writes the content of ``plain`` to ``sealed``, which only this secret opens. Memory does not grow with it.

    Args:
        work: what each guess at the secret is to cost.
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
    """The inverse of `seal`. What was written to ``plain`` is the whole content only if this returns.

    Raises:
        WrongSecret: the file was sealed under another secret.
        NoArchive: it is no such file, or not as it was written.
    """
    header = _read_header(sealed)
    version, fields = header[len(_MAGIC)], header[len(_MAGIC) + 1 :]
    salt, cost, block_size, parallelism, proof, sealed_data_key = _FIELDS[version].unpack(fields)
    lock = Lock(salt, cost, block_size, parallelism, proof)
    if not lock.is_affordable:
        raise NoArchive("asks for more work than any backup does")
    try:
        vault = Vault.open(secret, lock)
    except ValueError:
        raise NoArchive("asks for work that makes no sense") from None
    try:
        cipher = ChaCha20Poly1305(vault.data_key(_OWNER, sealed_data_key))
        for nonce, chunk in _numbered(sealed, _CHUNK + _TAG_BYTES):
            plain.write(cipher.decrypt(nonce, chunk, header))
    except (InvalidTag, WrongSecret):
        raise NoArchive("is damaged or cut short") from None


def _read_header(sealed: BinaryIO) -> bytes:
    if sealed.read(len(_MAGIC)) != _MAGIC:
        raise NoArchive("is no backup")
    version = sealed.read(1)
    layout = _FIELDS.get(int.from_bytes(version, "big"))
    if layout is None:
        raise NoArchive("was made by a later version" if version else "is damaged or cut short")
    header, digest = _MAGIC + version + sealed.read(layout.size), sealed.read(_DIGEST_BYTES)
    # Only to tell damage from a wrong secret: whoever forges a header can forge this too, and gains nothing by it.
    if hashlib.sha256(header).digest() != digest:
        raise NoArchive("is damaged or cut short")
    return header


def _numbered(file: BinaryIO, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Nonce and content of each chunk; the last one is shorter or full, and empty only where the file is."""
    number, chunk = 0, file.read(size)
    while True:
        following = file.read(size)
        yield _NONCE.pack(number, not following), chunk
        if not following:
            return
        number, chunk = number + 1, following
