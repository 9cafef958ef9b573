"""What one run of scenarios came to, as the gate reads it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from reports.schema import Scenario

NOT_RUN = "The run ended before it."
"""The failure of a scenario whose turn never came."""


_BRIEF = 160


def in_brief(words: str) -> str:
    """The beginning of what was said, on one line."""
    return " ".join(words.split())[:_BRIEF]


def with_reason(text: str, failure: str | None) -> str:
    """The text with a failure's words in brief behind a colon; the text alone if nothing failed."""
    return f"{text}: {in_brief(failure)}" if failure else text


class ScenarioResult(Scenario, frozen=True, kw_only=True):
    """A scenario of the transcript on its way there.

    Attributes:
        claim: id of the claim that it tests.
        seed: makes its choices.
    """

    claim: str
    seed: int = 0


class Results(msgspec.Struct, frozen=True):
    """All of a run.

    Attributes:
        hub_wireguard: implementation and version, as the service told; "" if none was up.
    """

    scenarios: list[ScenarioResult] = []
    hub_wireguard: str = ""


def write(path: Path, results: Results) -> None:
    """Writes what a run came to."""
    path.write_bytes(msgspec.json.encode(results))


def read(path: Path) -> Results:
    """Reads it again; a run that ended before it wrote any has none."""
    return decode(path.read_bytes() if path.exists() else b"")


def decode(written: bytes) -> Results:
    """The same from what the file has in it."""
    return msgspec.json.decode(written, type=Results) if written else Results()


def worst(rounds: Sequence[Sequence[ScenarioResult]]) -> list[ScenarioResult]:
    """One list of what the same scenarios came to in several rounds: of each the first that failed, else the last."""
    found: dict[tuple[str, str], ScenarioResult] = {}
    for each in (result for one in rounds for result in one):
        before = found.get((each.claim, each.name))
        if before is None or before.is_proven:
            found[each.claim, each.name] = each
    return list(found.values())


def merge(parts: Sequence[Sequence[ScenarioResult]]) -> list[ScenarioResult]:
    """One list of what several runs did of the same scenarios, each of which took some.

    Args:
        parts: by run, every scenario that it collected, in one order; those that it left to others as `NOT_RUN`.
    """
    merged: dict[tuple[str, str], ScenarioResult] = {}
    for part in parts:
        for each in part:
            key = each.claim, each.name
            if key not in merged or merged[key].failure == NOT_RUN:
                merged[key] = each
    return list(merged.values())
