"""Claims that the product publishes, read from the product's own file. Their ids are stable."""

from __future__ import annotations

import msgspec

from harness.paths import CLAIMS_FILE


class PublishedClaim(msgspec.Struct, frozen=True):
    """A claim of the product about itself."""

    id: str
    sentence: str


class _File(msgspec.Struct, frozen=True):
    claim: tuple[PublishedClaim, ...]


CLAIMS = msgspec.toml.decode(CLAIMS_FILE.read_bytes(), type=_File).claim
BY_ID = {claim.id: claim for claim in CLAIMS}
