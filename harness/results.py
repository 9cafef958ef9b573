"""What one run of scenarios came to, as the gate reads it."""

from __future__ import annotations

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
    if not path.exists() or path.stat().st_size == 0:
        return Results()
    return msgspec.json.decode(path.read_bytes(), type=Results)
