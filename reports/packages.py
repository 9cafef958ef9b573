"""Python packages that are installed, by the digests of their records (https://packaging.python.org, RECORD).

A record lists the files of a package with their SHA-256. Left out are the lines that an installation makes for itself:
programs outside the folder of packages, compiled files, `INSTALLER`, `REQUESTED` and `direct_url.json`. What remains is
what the wheel has, so that anybody can compute the digest from the wheel: the lines `PATH,sha256=HASH`, sorted by their
bytes, each with a newline.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from importlib import metadata
from importlib.metadata import Distribution, PackagePath

from reports.software import Package

_OF_AN_INSTALLATION = re.compile(r"[^/]*\.dist-info/(RECORD|INSTALLER|REQUESTED|direct_url\.json)")


def installed() -> list[Package]:
    """Lists the packages that this interpreter finds, by name."""
    return [Package(name, each.version, _record(each)) for name, each in sorted(_distributions())]


def altered() -> list[str]:
    """Lists the packages of which a file is missing, or is another than its record says."""
    return [name for name, each in sorted(_distributions()) if any(map(_is_altered, each.files or ()))]


def _distributions() -> Iterator[tuple[str, Distribution]]:
    found = set()
    for each in metadata.distributions():
        name = re.sub(r"[-_.]+", "-", each.metadata["Name"] or "").lower()
        # The first one is imported.
        if name and name not in found:
            found.add(name)
            yield name, each


def _record(distribution: Distribution) -> str | None:
    # Of a package that is installed in place, the record names a link to its checkout alone.
    if distribution.read_text("RECORD") is None or _is_in_place(distribution):
        return None
    lines = [
        f"{file},{file.hash.mode}={file.hash.value}"
        for file in distribution.files or ()
        if file.hash is not None and ".." not in file.parts and not _OF_AN_INSTALLATION.fullmatch(str(file))
    ]
    return hashlib.sha256("".join(f"{line}\n" for line in sorted(lines, key=str.encode)).encode()).hexdigest()


def _is_in_place(distribution: Distribution) -> bool:
    try:
        told = json.loads(distribution.read_text("direct_url.json") or "{}")
        return bool(told.get("dir_info", {}).get("editable"))
    except (ValueError, AttributeError):
        return False


def _is_altered(file: PackagePath) -> bool:
    if file.hash is None:
        return False
    try:
        digest = hashlib.new(file.hash.mode)
        with file.locate().open("rb") as content:  # type: ignore[attr-defined]
            while chunk := content.read(2**20):
                digest.update(chunk)
    except (OSError, ValueError):
        return True
    return base64.urlsafe_b64encode(digest.digest()).decode().rstrip("=") != file.hash.value
