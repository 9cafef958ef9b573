"""Record of a scenario: figures, exhibits, and controls of its probes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from harness.events.teller import Teller
from harness.judging import exhibits
from harness.judging.answer import Answer
from harness.judging.exhibits import EndedStream, HubEvent, PolicySave
from harness.judging.judgement import Judgement, Phase, Wait, judge
from harness.judging.order import HeldUntil, in_order
from harness.judging.queues import QueueLog
from harness.judging.verdicts import Inconclusive, Refuted
from netlab import NothingArrived, Received, Sent
from reports.certificates import Certificate, DoorCertificate
from reports.exhibits import MOST_EXHIBITS, Cell, Exhibit, TruthTable
from reports.schema import MeasuredValue, Measurement, Scalar

_SAVES = "saves of a policy, from request to answer"
_MOST_HISTOGRAMS = 8
_MOST_TABLES = 2
_MOST_CERTIFICATES = 4


@dataclass
class Record:
    """Collects what a scenario measures, for its transcript.

    Attributes:
        measured: values by name.
        controls: sentences, each with ``held`` or ``failed`` in front.
        teller: tells those who watch the run what happens.
    """

    measured: dict[str, MeasuredValue] = field(default_factory=dict)
    controls: list[str] = field(default_factory=list)
    teller: Teller = field(default_factory=Teller)
    _slowest: dict[str, float] = field(default_factory=dict)
    _totals: dict[str, int] = field(default_factory=dict)
    _times: dict[str, list[float]] = field(default_factory=dict)
    _saves: list[PolicySave] = field(default_factory=list)
    _events: list[HubEvent] = field(default_factory=list)
    _streams: list[EndedStream] = field(default_factory=list)
    _tables: list[TruthTable] = field(default_factory=list)
    _certificates: list[Certificate | DoorCertificate] = field(default_factory=list)

    def measure(
        self,
        name: str,
        value: Scalar | Sequence[Scalar],
        unit: str = "",
        limit: Scalar = None,
        of: int | None = None,
    ) -> None:
        """Records a figure.

        Args:
            name: name in the transcript.
            value: the figure; floats are rounded to six digits.
            unit: unit of the figure; "" for none.
            limit: limit that the claim sets; None for none.
            of: number of chances among which the value was counted; None if unknown.
        """
        plain = _plain(value)
        if not unit and limit is None and of is None:
            self.measured[name] = plain
            return
        entry = Measurement(value=plain, unit=unit)
        if limit is not None:
            entry["limit"] = limit
        if of is not None:
            entry["of"] = of
        self.measured[name] = entry

    def slowest(self, name: str, seconds: float) -> None:
        """Records a time if it is the longest so far with this name."""
        self._slowest[name] = max(self._slowest.get(name, 0.0), seconds)
        self.measure(name, self._slowest[name], "s")

    def total(self, name: str, number: int) -> int:
        """Returns the sum of the numbers of all calls with this name, for what is counted in parts."""
        self._totals[name] = self._totals.get(name, 0) + number
        return self._totals[name]

    def at_least(self, name: str, value: float, least: float, unit: str = "") -> None:
        """Records a figure that has to be large enough for the other figures to mean something.

        Args:
            least: least value of the figure.

        Raises:
            Inconclusive: the figure is below ``least``.
        """
        self.measure(name, value, unit, limit=f">= {least}")
        if value < least:
            raise Inconclusive(f"{name}: {value} {unit}, and at least {least} are needed to say anything")

    def none_of(
        self, name: str, violations: Sequence[object], meaning: str, of: int | None = None, excused: int = 0
    ) -> None:
        """Records the number of violations, and of the chances that they had, which add up over calls with this name.

        Args:
            violations: the violations; the message lists up to five.
            meaning: sentence that is true if there is a violation.
            of: number of chances, such as packets that could have been delivered; None if unknown.
            excused: number of these that say nothing of the hub, because the machine was busy.

        Raises:
            Refuted: there is a violation.
            Inconclusive: there was no chance of one, or more than half of them say nothing.
        """
        chances = None if of is None else self.total(name, of - excused)
        self.measure(name, len(violations), limit=0, of=chances)
        if violations:
            shown = ", ".join(map(str, list(violations)[:5]))
            raise Refuted(f"{meaning}: {len(violations)} ({shown}{', …' if len(violations) > 5 else ''})")
        if of is not None and 2 * excused > of:
            raise Inconclusive(f"{name}: lost to a busy machine: {excused} of {of}, and what is left says too little")
        if chances == 0:
            raise Inconclusive(f"{name}: there was no chance of one")

    def took(self, name: str, seconds: Iterable[float]) -> None:
        """Records times of something frequent; the transcript shows five or more as a histogram.

        Args:
            name: what took this time, in words.
            seconds: times in seconds.
        """
        self._times.setdefault(name, []).extend(seconds)

    def saved(self, policy: str, answer: Answer) -> None:
        """Records a save of the policy, given in words."""
        self._saves.append(PolicySave(policy, answer.requested_ns, answer.answered_ns))
        self.took(_SAVES, [answer.seconds])
        self.teller.saved(policy, answer.seconds)

    def happened(self, what: str, begin_ns: int, end_ns: int) -> None:
        """Records an event that disturbed the service.

        Args:
            what: the event in words.
            begin_ns: its begin, on the monotonic clock.
            end_ns: time at which its effect had ended, on the monotonic clock.
        """
        self._events.append(HubEvent(what, begin_ns, end_ns))

    def streamed(
        self,
        name: str,
        phases: Sequence[Phase],
        sent: Sequence[Sent],
        received: Sequence[Received],
        canary: Sequence[Wait] | None = None,
        queues: QueueLog | None = None,
        held_until: HeldUntil = in_order,
    ) -> Judgement:
        """Judges a stream that has ended, and records it.

        Args:
            canary: waits of a canary beside it, by their times; None without one.
            queues: what was seen of the queues on its way; None if they were not watched.
            held_until: what the lab held back on its way.

        Returns:
            The judgement, which the transcript shows beside the saves of the same time.
        """
        judgement = judge(phases, sent, received, canary, queues, held_until)
        self._streams.append(EndedStream(name, tuple(phases), sent, received, judgement))
        return judgement

    def table(self, policy: str, cells: Mapping[tuple[str, str, str], Cell]) -> None:
        """Records a truth table; the transcript shows two, those with wrong cells first.

        Args:
            policy: the policy in words.
            cells: cells by source, destination, and protocol with port.
        """
        self._tables.append(exhibits.truth_table(f"table {len(self._tables) + 1}", policy, cells))

    def proved(self, certificate: Certificate) -> None:
        """Records the outcome of a proof; the transcript shows four, those that refute first.

        Raises:
            Refuted: it speaks against the policy.
        """
        self._certificates.append(certificate)
        self.none_of("packets with a wrong fate", certificate.wrong, "the kernel does not do what the policy says")

    def proved_door(self, certificate: DoorCertificate) -> None:
        """Records the outcome of a front door's proof.

        Raises:
            Refuted: it speaks against the front door.
        """
        self._certificates.append(certificate)
        self.none_of("datagrams led astray", certificate.wrong, "the front door does not do what is claimed")

    def exhibits(self) -> list[Exhibit]:
        """Returns the exhibits of the transcript; their size is bounded."""
        spread = (exhibits.histogram(name, seconds) for name, seconds in self._times.items())
        flips = exhibits.timeline("saves and packets", self._streams, self._saves, self._events)
        proofs = sorted(self._certificates, key=lambda each: each.holds)[:_MOST_CERTIFICATES]
        found: list[Exhibit] = [
            *proofs,
            *([flips] if flips else []),
            *exhibits.select_tables(self._tables, _MOST_TABLES),
            *[each for each in spread if each is not None][:_MOST_HISTOGRAMS],
        ]
        return found[:MOST_EXHIBITS]

    @contextmanager
    def control(self, text: str) -> Iterator[None]:
        """Runs a control: a block that shows that a probe sees what it has to see.

        Args:
            text: what the control shows, in words.

        Raises:
            Inconclusive: the block raised AssertionError (as `Refuted` is) or NothingArrived.
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
