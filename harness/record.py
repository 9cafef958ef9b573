"""What a scenario measured, and which controls showed that its probes can see both outcomes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from harness.verdicts import Inconclusive, Refuted
from netlab import NothingArrived

Scalar = str | int | float | bool | None


@dataclass
class Record:
    """Filled in while a scenario runs; the transcript shows it.

    Attributes:
        measured: by name, a plain value or ``{value, unit, limit}``.
        controls: what was shown about the probes themselves.
    """

    measured: dict[str, Any] = field(default_factory=dict)
    controls: list[str] = field(default_factory=list)

    def measure(self, name: str, value: Scalar | Sequence[Scalar], unit: str = "", limit: Scalar = None) -> None:
        """Notes a figure, with its unit and the limit that the claim sets, if it sets one."""
        plain: Any = round(value, 6) if isinstance(value, float) else value
        if not unit and limit is None:
            self.measured[name] = plain
            return
        entry = {"value": plain, "unit": unit}
        self.measured[name] = entry if limit is None else {**entry, "limit": limit}

    def at_least(self, name: str, value: float, least: float, unit: str = "") -> None:
        """Notes a figure of the run itself; too small a one would make every other figure worthless.

        Raises:
            Inconclusive: it is below ``least``.
        """
        self.measure(name, value, unit, limit=f">= {least}")
        if value < least:
            raise Inconclusive(f"{name}: {value} {unit}, and at least {least} are needed to say anything")

    def none_of(self, name: str, violations: Sequence[object], meaning: str) -> None:
        """Notes how many violations there were.

        Raises:
            Refuted: there were some.
        """
        self.measure(name, len(violations), limit=0)
        if violations:
            shown = ", ".join(map(str, list(violations)[:5]))
            raise Refuted(f"{meaning}: {len(violations)} ({shown}{', …' if len(violations) > 5 else ''})")

    @contextmanager
    def control(self, text: str) -> Iterator[None]:
        """The probe sees what it must be able to see; if not, nothing that it doesn't see means anything.

        Raises:
            Inconclusive: the block raised.
        """
        try:
            yield
        except (AssertionError, NothingArrived) as error:
            self.controls.append(f"failed: {text}")
            raise Inconclusive(f"control failed: {text}: {error}") from error
        self.controls.append(f"held: {text}")
