"""Published claims about the product, from ``claims.toml``; the gate proves each of them."""

from __future__ import annotations

from pathlib import Path

import msgspec


class Claim(msgspec.Struct, frozen=True):
    """A published sentence; its id is stable.

    Attributes:
        shown: how its scenarios show it, with semicolons between the ways.
    """

    id: str
    sentence: str
    shown: str

    @property
    def ways(self) -> tuple[str, ...]:
        """The ways in which it is shown, each as a sentence."""
        return tuple(f"{way[0].upper()}{way[1:]}." for way in self.shown.split("; "))


class _File(msgspec.Struct, frozen=True):
    claim: tuple[Claim, ...]


# Read at import, because the web process can't read files of the package later.
PUBLISHED = msgspec.toml.decode(Path(__file__).with_name("claims.toml").read_bytes(), type=_File).claim
BY_ID = {claim.id: claim for claim in PUBLISHED}
