"""What a scenario measured, and which controls showed that its probes can see both outcomes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from harness.judging import exhibits
from harness.judging.answer import Answer
from harness.judging.exhibits import Happened, Saved, Streamed
from harness.judging.judgement import Judgement, Phase, judge
from harness.judging.verdicts import Inconclusive, Refuted
from netlab import NothingArrived, Received, Sent
from reports.exhibits import Cell, Exhibit, TruthTable
from reports.schema import MeasuredValue, Measurement, Scalar

_SAVES = "saves of a policy, from request to answer"
_MOST_HISTOGRAMS = 8
_MOST_TABLES = 2


@dataclass
class Record:
    """Filled in while a scenario runs; the transcript shows it.

    Attributes:
        measured: values by name.
        controls: what was shown about the probes themselves.
    """

    measured: dict[str, MeasuredValue] = field(default_factory=dict)
    controls: list[str] = field(default_factory=list)
    _slowest: dict[str, float] = field(default_factory=dict)
    _times: dict[str, list[float]] = field(default_factory=dict)
    _saves: list[Saved] = field(default_factory=list)
    _events: list[Happened] = field(default_factory=list)
    _streams: list[Streamed] = field(default_factory=list)
    _tables: list[TruthTable] = field(default_factory=list)

    def measure(self, name: str, value: Scalar | Sequence[Scalar], unit: str = "", limit: Scalar = None) -> None:
        """Notes a figure, with its unit and the limit that the claim sets, if it sets one."""
        plain = _plain(value)
        if not unit and limit is None:
            self.measured[name] = plain
            return
        entry = Measurement(value=plain, unit=unit)
        if limit is not None:
            entry["limit"] = limit
        self.measured[name] = entry

    def slowest(self, name: str, seconds: float) -> None:
        """Notes a time if it is the longest so far of that name."""
        self._slowest[name] = max(self._slowest.get(name, 0.0), seconds)
        self.measure(name, self._slowest[name], "s")

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

    def took(self, name: str, seconds: Iterable[float]) -> None:
        """Notes times of one thing that is done often; the transcript shows how they spread."""
        self._times.setdefault(name, []).extend(seconds)

    def saved(self, policy: str, answer: Answer) -> None:
        """Notes a change of the policy, in words."""
        self._saves.append(Saved(policy, answer.requested_ns, answer.answered_ns))
        self.took(_SAVES, [answer.seconds])

    def happened(self, what: str, begin_ns: int, end_ns: int) -> None:
        """Notes what was done to the service, in words, and when all was as before; in ns of the monotonic clock."""
        self._events.append(Happened(what, begin_ns, end_ns))

    def streamed(
        self, name: str, phases: Sequence[Phase], sent: Sequence[Sent], received: Sequence[Received]
    ) -> Judgement:
        """Notes and judges a stream that has ended.

        Returns:
            The judgement, which the transcript shows beside the saves that were made meanwhile.
        """
        judgement = judge(phases, sent, received)
        self._streams.append(Streamed(name, tuple(phases), sent, received, judgement))
        return judgement

    def table(self, policy: str, cells: Mapping[tuple[str, str, str], Cell]) -> None:
        """Notes what may pass between whom, and what did; of many tables the transcript shows the most telling.

        Args:
            policy: what holds, in words.
            cells: by source, destination, and protocol with port.
        """
        self._tables.append(exhibits.truth_table(f"table {len(self._tables) + 1}", policy, cells))

    def exhibits(self) -> list[Exhibit]:
        """What the transcript shows beside the figures; bounded, whatever was noted."""
        spread = (exhibits.histogram(name, seconds) for name, seconds in self._times.items())
        flips = exhibits.timeline("saves and packets", self._streams, self._saves, self._events)
        return [
            *([flips] if flips else []),
            *exhibits.most_telling(self._tables, _MOST_TABLES),
            *[each for each in spread if each is not None][:_MOST_HISTOGRAMS],
        ]

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


def _plain(value: Scalar | Sequence[Scalar]) -> Scalar | list[Scalar]:
    if isinstance(value, float):
        return round(value, 6)
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
