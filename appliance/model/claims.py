"""The claims that the product publishes about itself, as ``claims.toml`` has them. Each is proven by the gate."""

from __future__ import annotations

from pathlib import Path

import msgspec


class Claim(msgspec.Struct, frozen=True):
    """A published sentence; its id is stable."""

    id: str
    sentence: str


class _File(msgspec.Struct, frozen=True):
    claim: tuple[Claim, ...]


# Read when the module is loaded: the web process reads no files of the package later.
PUBLISHED = msgspec.toml.decode(Path(__file__).with_name("claims.toml").read_bytes(), type=_File).claim
