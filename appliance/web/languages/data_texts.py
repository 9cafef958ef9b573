"""Extraction of messages from the package's data, for the upkeep of catalogues."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

import msgspec

from appliance.model import claims

_ABOUT_A_STEP = "Words between backticks are typed, words between asterisks stand in the program; names in braces stay."


def platform_texts(file: IO[bytes], *_: object, **__: object) -> Iterator[tuple[int, None, str, list[str]]]:
    """Extract the texts of a file with instructions for platforms, as Babel calls it.

    Names of a form's fields are no messages: they are what another program shows.

    Yields:
        Line (always 0), function, message, and comments for translators.
    """
    for platform in msgspec.toml.decode(file.read())["platforms"]:
        yield 0, None, platform["name"], []
        for text in (*platform["steps"], *platform.get("limits", ())):
            yield 0, None, text, [_ABOUT_A_STEP]


def claim_texts() -> Iterator[str]:
    """List the sentences of the published claims, and of the ways in which they are shown."""
    for claim in claims.PUBLISHED:
        yield claim.sentence
        yield from claim.ways
