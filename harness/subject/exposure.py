"""Secrets where they must not be: looked for byte by byte, in every form that a program would give them."""

from __future__ import annotations

import base64
import binascii
import html
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from harness.subject.service import Service

_CHUNK = 2**22


def forms(secret: str) -> dict[str, bytes]:
    """The bytes that a secret is written as, by the name of the form: as it is, escaped, and encoded once more.

    One that is base64 of 32 bytes, as WireGuard's keys are, is also looked for as those bytes and what they are encoded
    as.
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
    """Which of these secrets the content has, by their names, and in what form."""
    return sorted(
        f"{name} ({form})"
        for name, secret in secrets.items()
        for form, data in forms(secret).items()
        if data in content
    )


def in_files(files: Iterable[Path], secrets: Mapping[str, str]) -> list[str]:
    """Which of these secrets lie in which of these files, in what form. A file that goes meanwhile is passed over."""
    wanted = [(f"{name} ({form})", data) for name, secret in secrets.items() for form, data in forms(secret).items()]
    overlap = max((len(data) for _, data in wanted), default=1) - 1
    found = set()
    for file in files:
        try:
            with file.open("rb") as content:
                before = b""
                while chunk := content.read(_CHUNK):
                    window = before + chunk
                    found |= {f"{what} in {file.name}" for what, data in wanted if data in window}
                    before = window[-overlap:]
        except FileNotFoundError:
            continue
    return sorted(found)


def files_of(service: Service) -> Iterator[Path]:
    """Every file of the service, below its data folder or ``/run``, but for those of the lab itself."""
    lab = service.host.folder.parent
    for top in (service.data, Path("/run")):
        for folder, folders, names in os.walk(top):
            at = Path(folder)
            folders[:] = [each for each in folders if at / each not in (lab, Path("/run/netns"))]
            yield from (at / name for name in names if (at / name).is_file())


def _encoded(what: str, data: bytes) -> dict[str, bytes]:
    return {
        f"base64 of {what}": base64.b64encode(data).rstrip(b"="),
        f"base64url of {what}": base64.urlsafe_b64encode(data).rstrip(b"="),
        f"base32 of {what}": base64.b32encode(data).rstrip(b"="),
        f"hex of {what}": data.hex().encode(),
        f"HEX of {what}": data.hex().upper().encode(),
    }
