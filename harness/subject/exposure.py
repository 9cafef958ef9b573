"""Search for secrets in bytes and files, in every encoding that a program might use."""

from __future__ import annotations

import base64
import binascii
import html
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from harness.subject.service import Service

_CHUNK = 2**22
_WORD = 8
# Data of this length contains a whole aligned word, wherever it begins.
_SURE = 2 * _WORD - 1


def forms(secret: str) -> dict[str, bytes]:
    """Returns the encodings of a secret by name: plain, escaped, and base64, base32 and hex of it.

    A secret that is base64 of 32 bytes, as WireGuard keys are, also has these 32 bytes and their encodings.
    """
    text = secret.encode()
    found = {
        "text": text,
        "percent-encoded": quote(secret, safe="").encode(),
        "escaped for JSON": json.dumps(secret)[1:-1].replace("/", r"\/").encode(),
        "escaped for HTML": html.escape(secret).encode(),
        "UTF-16": secret.encode("utf-16-le"),
        **_encoded("text", text),
    }
    try:
        raw = base64.b64decode(secret, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) == 32:
        found |= {"bytes": raw, "bytes reversed": raw[::-1], **_encoded("bytes", raw)}
    return found


def in_bytes(content: bytes, secrets: Mapping[str, str]) -> list[str]:
    """Returns the secrets that the content contains, as ``NAME (FORM)``.

    Args:
        secrets: secrets by name.
    """
    return sorted(
        f"{name} ({form})"
        for name, secret in secrets.items()
        for form, data in forms(secret).items()
        if data in content
    )


def in_files(files: Iterable[Path], secrets: Mapping[str, str], chunk_size: int = _CHUNK) -> list[str]:
    """Returns the secrets that the files contain, as ``NAME (FORM) in FILE``. Skips files that disappear meanwhile.

    Args:
        secrets: secrets by name.
        chunk_size: bytes that are read at a time.
    """
    wanted = [(f"{name} ({form})", data) for name, secret in secrets.items() for form, data in forms(secret).items()]
    beginnings = {data: _words_at_any_offset(data) for _, data in wanted}
    overlap = max(map(len, beginnings), default=1) - 1
    found = set()
    for file in files:
        try:
            with file.open("rb") as content:
                before = b""
                while chunk := content.read(chunk_size):
                    window = before + chunk
                    words = _aligned_words(window)
                    # Most texts are ruled out by their words; a search through the bytes would take far longer.
                    likely = {data for data, its in beginnings.items() if not (its and words.isdisjoint(its))}
                    present = {data for data in likely if data in window}
                    found |= {f"{form} in {file.name}" for form, data in wanted if data in present}
                    before = window[-overlap:]
        except FileNotFoundError:
            continue
    return sorted(found)


def files_of(service: Service) -> Iterator[Path]:
    """Yields every file below the folders that can have the service's data, except for the lab's own."""
    lab = service.host.folder.parent
    for top in service.searched():
        for root, folders, names in os.walk(top):
            folder = Path(root)
            folders[:] = [each for each in folders if folder / each not in (lab, Path("/run/netns"))]
            yield from (folder / name for name in names if (folder / name).is_file())


def _aligned_words(content: bytes) -> set[int]:
    """Returns the words at offsets that are multiples of a word's length."""
    return set(memoryview(content)[: len(content) // _WORD * _WORD].cast("Q"))


def _words_at_any_offset(data: bytes) -> frozenset[int]:
    """Returns the words at the data's first offsets; none for data shorter than `_SURE`.

    A content with this data has one of them among its aligned words, wherever the data lies.
    """
    if len(data) < _SURE:
        return frozenset()
    return frozenset(int.from_bytes(data[at : at + _WORD], sys.byteorder) for at in range(_WORD))


def _encoded(what: str, data: bytes) -> dict[str, bytes]:
    return {
        f"base64 of {what}": base64.b64encode(data).rstrip(b"="),
        f"base64url of {what}": base64.urlsafe_b64encode(data).rstrip(b"="),
        f"base32 of {what}": base64.b32encode(data).rstrip(b"="),
        f"hex of {what}": data.hex().encode(),
        f"HEX of {what}": data.hex().upper().encode(),
    }
