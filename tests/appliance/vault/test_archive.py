"""A sealed file opens unchanged with its secret, or not at all."""

from __future__ import annotations

import base64
import hashlib
import io
import struct

import pytest

from appliance.vault import FOR_PASSPHRASES, WorkFactor, WrongSecret, archive
from appliance.vault.archive import InvalidArchive, seal, unseal

SECRET = "a secret that is long enough"
CHEAP = WorkFactor(2, 8, 1)
"""Work of a guess at `SECRET`, which each test would do; the archive names its own."""
CHUNK = 64 * 2**10
HEADER = 14 + struct.calcsize("!B16sIHH49s61s")
# Version 1 of b"content".
VERSION_1 = base64.b64decode(
    "TUVTSFdHIEJBQ0tVUAoBBIAIx4WXWJBJG3MDRr6tXwAAgAAACAAB03JcDP4krpyX6Zlyud6GErTDAFOMwy+8B7gqBszgCWTa4YI8YP6OKdL6eZPE"
    "uSuhYPCjgP2lgzjxJ1KiEd6lez/9sClXUwqUgAX2uBkniQYg0AJ1po9foFYu5G/l9yt0DCez1x9o+MvAdGyAdR23zAO/bX7PCYIPot+MkUYhetM+"
    "qea9Kpn5Y1XD76swNZCuOSli6iqq8fJO8pHGCjHOXCEfNg=="
)


def sealed(content: bytes, work: WorkFactor = CHEAP) -> bytes:
    file = io.BytesIO()
    seal(io.BytesIO(content), file, SECRET, work)
    return file.getvalue()


def opened(data: bytes, secret: str = SECRET) -> bytes:
    file = io.BytesIO()
    unseal(io.BytesIO(data), file, secret)
    return file.getvalue()


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_sealed_content_comes_back(size: int) -> None:
    content = bytes(number % 251 for number in range(size))
    data = sealed(content)
    assert opened(data) == content
    assert size < 64 or content[:64] not in data


def test_sealing_twice_gives_different_files() -> None:
    one, two = sealed(b"x" * 1000), sealed(b"x" * 1000)
    assert one[HEADER + 32 :] != two[HEADER + 32 :]


def test_a_wrong_secret_is_distinguished_from_damage() -> None:
    data = sealed(b"content")
    with pytest.raises(WrongSecret):
        opened(data, SECRET + "x")


def test_a_file_of_the_first_version_opens() -> None:
    assert opened(VERSION_1) == b"content"
    with pytest.raises(WrongSecret):
        opened(VERSION_1, SECRET + "x")


@pytest.mark.parametrize("version", [0, 1, 3, 255])
def test_a_file_with_another_version_number_is_refused(version: int) -> None:
    data = bytearray(sealed(b"content"))
    data[14] = version
    data[HEADER:BODY] = hashlib.sha256(data[:HEADER]).digest()
    # A header of the first version is shorter, so that its digest is looked for elsewhere.
    why = "is damaged or cut short" if version == 1 else "was made by a later version"
    with pytest.raises(InvalidArchive, match=f"^{why}$"):
        opened(bytes(data))


def test_content_is_sealed_in_chunks_of_64_kib() -> None:
    for content, chunks in ((CHUNK, 1), (CHUNK + 1, 2), (2 * CHUNK + 1, 3)):
        assert len(sealed(b"x" * content)) == BODY + content + 16 * chunks


@pytest.mark.long
def test_sealing_with_a_passphrase_has_the_cost_owasp_recommends() -> None:
    data = sealed(b"content", FOR_PASSPHRASES)
    cost, block_size, parallelism = struct.unpack("!IHH", data[14 + 17 : 14 + 25])
    # OWASP's password storage cheat sheet: N = 2^17, r = 8, p = 1.
    assert (cost, block_size) == (2**17, 8)
    assert parallelism >= 1
    assert opened(data) == b"content"


CONTENT = b"a" * CHUNK + b"b" * CHUNK + b"c" * 100
BODY = HEADER + 32
STEP = CHUNK + 16


@pytest.mark.parametrize("at", [0, 14, 20, 31, 40, 80, HEADER - 1, HEADER, BODY, BODY + STEP, BODY + 2 * STEP, -1])
def test_every_changed_byte_is_noticed(at: int) -> None:
    data = bytearray(sealed(CONTENT))
    data[at] ^= 1
    with pytest.raises(InvalidArchive):
        opened(bytes(data))


def test_an_archive_with_missing_or_foreign_chunks_is_refused() -> None:
    data = sealed(CONTENT)
    head, one, two, three = data[:BODY], data[BODY:][:STEP], data[BODY + STEP :][:STEP], data[BODY + 2 * STEP :]
    other = sealed(CONTENT)
    for damaged in (
        b"",
        head[:-40],
        head,
        head + one,
        head + one + two,
        head + one + two + three[:-1],
        head + two + one + three,
        head + one + three,
        data + b"x",
        data + three,
        head + other[BODY:],
        other[:BODY] + data[BODY:],
    ):
        with pytest.raises(InvalidArchive, match="^is damaged or cut short$" if damaged else "^is no backup$"):
            opened(damaged)


def test_a_file_that_ends_before_its_version_is_cut_short() -> None:
    with pytest.raises(InvalidArchive, match=r"^is damaged or cut short$"):
        opened(sealed(CONTENT)[:14])


_COSTLY, _INVALID = "asks for more work than any backup needs", "has invalid scrypt parameters"


@pytest.mark.parametrize(
    ("work", "why"),
    [
        ((2**31, 8, 1), _COSTLY),
        ((2**22, 8, 1), _COSTLY),
        ((2**15, 8, 1000), _COSTLY),
        ((2**15 + 1, 8, 1), _INVALID),
        ((0, 0, 0), _INVALID),
    ],
)
def test_a_header_with_too_costly_scrypt_parameters_is_refused(work: tuple[int, int, int], why: str) -> None:
    data = bytearray(sealed(b""))
    data[14 + 17 : 14 + 25] = struct.pack("!IHH", *work)
    data[HEADER:BODY] = hashlib.sha256(data[:HEADER]).digest()
    with pytest.raises(InvalidArchive, match=f"^{why}$"):
        opened(bytes(data))


def test_chunks_are_numbered_as_in_older_archives(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = []

    class Cipher:
        def __init__(self, key: bytes) -> None:
            assert len(key) == 32

        def encrypt(self, nonce: bytes, chunk: bytes, header: bytes) -> bytes:
            assert header.startswith(b"MESHWG BACKUP")
            numbers.append(struct.unpack("!3xQ?", nonce))
            return chunk

    monkeypatch.setattr(archive, "ChaCha20Poly1305", Cipher)
    sealed(b"x" * (2 * CHUNK + 1))
    assert numbers == [(0, False), (1, False), (2, True)]
