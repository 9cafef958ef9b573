"""What one run of scenarios came to, as the gate reads it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec


class ScenarioResult(msgspec.Struct, frozen=True):
    """One scenario's outcome.

    Attributes:
        title: what it shows, in words.
        failure: why it is not proven, or None.
        evidence: files below the run's evidence folder.
    """

    name: str
    title: str
    claim: str
    verdict: str
    seconds: float
    measured: dict[str, Any]
    controls: list[str]
    failure: str | None
    evidence: list[str]


def write(path: Path, outcomes: Sequence[ScenarioResult]) -> None:
    """Writes the outcomes of a run."""
    path.write_bytes(msgspec.json.encode(outcomes))


def read(path: Path) -> list[ScenarioResult]:
    """Reads them again; a run that ended before it wrote any has none."""
    if not path.exists() or path.stat().st_size == 0:
        return []
    return msgspec.json.decode(path.read_bytes(), type=list[ScenarioResult])
