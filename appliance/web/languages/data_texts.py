"""Messages of catalogues that no call in the code marks: from data files, enumerations and refusals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

import msgspec

from appliance.model import claims
from appliance.model.access import Scope
from appliance.model.errors import Refused
from appliance.model.organization import Plan, Role
from appliance.model.policy import Protocol
from appliance.service.observed import MachineState

_ABOUT_A_STEP = "Words between backticks are typed, words between asterisks stand in the program; names in braces stay."
_ANY_PLATFORM = "router"


def platform_texts(file: IO[bytes], *_: object, **__: object) -> Iterator[tuple[int, None, str, list[str]]]:
    """Extract the texts of a file with instructions for platforms, as Babel calls it.

    Names of a form's fields are messages only where no program is meant: elsewhere they are what it shows.

    Yields:
        Line (always 0), function, message, and comments for translators.
    """
    for platform in msgspec.toml.decode(file.read())["platforms"]:
        yield 0, None, platform["name"], []
        if platform["id"] == _ANY_PLATFORM:
            yield from ((0, None, name, []) for name, _ in platform["fields"])
        for text in (*platform["steps"], *platform.get("limits", ())):
            yield 0, None, text, [_ABOUT_A_STEP]


def claim_texts() -> Iterator[str]:
    """List the sentences of the published claims, and of the ways in which they are shown."""
    for claim in claims.PUBLISHED:
        yield claim.sentence
        yield from claim.ways


def terms() -> Iterator[str]:
    """List names of fields and values that are facts of sentences (`languages.say`), and of states."""
    yield from ("name", "group", "organization", "description", "source", "destination", "action", "verdict", "default")
    yield from ("state", "order")
    for kind in (Plan, Protocol, Role, Scope):
        yield from (each.value for each in kind)
    yield from (str(each.words) for each in MachineState)


def refusals() -> Iterator[str]:
    """List the names of the classes whose first argument is a message."""
    kinds = [Refused]
    while kinds:
        kind = kinds.pop()
        yield kind.__name__
        kinds += kind.__subclasses__()
