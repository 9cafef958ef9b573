"""Results of one run of scenarios, in the file that the gate reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from reports.schema import Scenario

_BRIEF = 160


def in_brief(words: str) -> str:
    """Returns the beginning of a text, on one line."""
    return " ".join(words.split())[:_BRIEF]


def with_reason(text: str, failure: str | None) -> str:
    """Returns ``TEXT: FAILURE`` with the failure in brief; the text alone if nothing failed."""
    return f"{text}: {in_brief(failure)}" if failure else text


class ScenarioResult(Scenario, frozen=True, kw_only=True):
    """A scenario of the transcript, with the facts that the gate needs beside it.

    Attributes:
        claim: id of the claim that it tests.
        seed: seed of its choices.
        store: store of the lab's own service, as the option ``--store`` takes it.
        was_run: False if the run ended before it, or left it to another run.
    """

    claim: str
    seed: int = 0
    store: str = "SQLite"
    was_run: bool = True


class Results(msgspec.Struct, frozen=True):
    """Results of a run.

    Attributes:
        hub_wireguard: name and version of the hub's WireGuard implementation; "" if no hub came up.
    """

    scenarios: list[ScenarioResult] = []
    hub_wireguard: str = ""


def write(path: Path, results: Results) -> None:
    """Writes the results of a run."""
    path.write_bytes(msgspec.json.encode(results))


def decode(written: bytes) -> Results:
    """Decodes the content of a file of results; they are empty if the run ended before it wrote any."""
    return msgspec.json.decode(written, type=Results) if written else Results()


def worst(rounds: Sequence[Sequence[ScenarioResult]]) -> list[ScenarioResult]:
    """Returns one result for each scenario of several rounds: the first that failed, or the last."""
    found: dict[tuple[str, str], ScenarioResult] = {}
    for each in (result for one in rounds for result in one):
        before = found.get((each.claim, each.name))
        if before is None or before.is_proven:
            found[each.claim, each.name] = each
    return list(found.values())


def merge(parts: Sequence[Sequence[ScenarioResult]]) -> list[ScenarioResult]:
    """Returns one result for each scenario of several runs that shared the scenarios.

    Args:
        parts: for each run, all scenarios in the same order; those that another run took were not run.
    """
    merged: dict[tuple[str, str], ScenarioResult] = {}
    for part in parts:
        for each in part:
            key = each.claim, each.name
            if key not in merged or not merged[key].was_run:
                merged[key] = each
    return list(merged.values())
