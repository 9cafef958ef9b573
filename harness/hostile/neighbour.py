"""An ordinary organization beside a hostile one: times of its calls, and fate of its packets."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from harness.client.api import Api, ApiError
from harness.judging.answer import Answer
from harness.judging.record import Record
from harness.judging.verdicts import Refuted
from harness.overlay.judged_stream import JudgedStream
from harness.overlay.mesh import Mesh
from harness.world.world import PASSWORD, World

T = TypeVar("T")

READS, SAVES = 3.0, 5.0
"""Largest ratio of the median of reads and of saves beside a hostile tenant to the quiet median."""

LOG_IN_S = 1.0
"""Most seconds that a log-in may take beside a hostile tenant."""

_STREAM_INTERVAL_S = 0.01
_PAUSE_S = 0.005
_TURNS = 2
"""Number of times that the attack is begun in a round. A quiet time comes before each, and after the last."""

_MOST_ROUNDS = 3
"""Rounds before a figure above its bound counts. Other load slows one side by chance, and not again and again."""

_LOG_INS = 2
_LEAST_PER_TURN = 10


@dataclass(frozen=True)
class CallTimes:
    """Times of an organization's calls, in seconds."""

    reads: list[float] = field(default_factory=list)
    saves: list[float] = field(default_factory=list)
    log_ins: list[float] = field(default_factory=list)

    def __add__(self, other: CallTimes) -> CallTimes:
        return CallTimes(self.reads + other.reads, self.saves + other.saves, self.log_ins + other.log_ins)

    def compared_with(self, quiet: CallTimes) -> Slowdown:
        """Compares these times with those of a quiet time.

        Args:
            quiet: times of at least one call of each kind.
        """
        return Slowdown(
            statistics.median(self.reads) / statistics.median(quiet.reads),
            statistics.median(self.saves) / statistics.median(quiet.saves),
            max(self.log_ins),
            max(self.log_ins) / statistics.median(quiet.log_ins),
        )


@dataclass(frozen=True)
class Slowdown:
    """Cost of a hostile tenant to an ordinary one.

    Attributes:
        reads: median of its reads, as a ratio to the quiet median.
        saves: median of its saves, as a ratio to the quiet median.
        log_in_s: its slowest log-in, in seconds.
        log_ins: its slowest log-in, as a ratio to the quiet median.
    """

    reads: float
    saves: float
    log_in_s: float
    log_ins: float

    def violations(self, patience: float = 1.0) -> list[str]:
        """Returns a sentence for each figure above its bound.

        Args:
            patience: factor by which this machine is slower than usual; it applies to the bound of log-ins, which is a
                time.
        """
        found = []
        if self.reads > READS:
            found.append(f"its reads took {self.reads:.1f} times as long, and {READS:g} is the most")
        if self.saves > SAVES:
            found.append(f"its saves took {self.saves:.1f} times as long, and {SAVES:g} is the most")
        if self.log_in_s > LOG_IN_S * patience:
            found.append(f"a log-in took {self.log_in_s:.2f} s, and {LOG_IN_S * patience:g} s is the most")
        return found


class Neighbour:
    """An organization with a stream between two machines, whose owner reads, saves and logs in.

    Args:
        world: the lab.
        record: record of the scenario.
    """

    def __init__(self, world: World, record: Record) -> None:
        self.mesh: Mesh = world.organization(record, "neighbour")
        self._world = world
        self._record = record
        self._patience = world.patience
        self._machines = self.mesh.machines("asha", "bela")
        self._email: str = self.mesh.api.call("GET", "/account").body["email"]
        self._numbers = itertools.count(1)
        self._flips = itertools.cycle(("deny", "allow"))

    @contextmanager
    def streaming(self) -> Iterator[JudgedStream]:
        """Runs a stream between its machines beside one through a bare hub, which is as busy as the machine is.

        No packet may be lost while the block runs.
        """
        first, second = self._machines
        with (
            self._world.queues(first, second) as queues,
            self._world.canary(first, second, self._record, _STREAM_INTERVAL_S) as canary,
            first.stream_to(second, interval=_STREAM_INTERVAL_S, canary=canary, queues=queues) as stream,
        ):
            stream.flows()
            yield stream

    def measure(self, seconds: float) -> CallTimes:
        """Reads and saves in turns, and logs in now and then.

        Args:
            seconds: least time for which this goes on.

        Raises:
            Refuted: a call was refused.
        """
        found = CallTimes()
        began = time.monotonic()
        next_log_in = began
        while time.monotonic() - began < seconds or len(found.saves) < _LEAST_PER_TURN:
            found.reads.append(self._call("a read", lambda: self.mesh.api.call("GET", "/machines")).seconds)
            found.reads.append(self._call("a read", lambda: self.mesh.api.call("GET", "/policy")).seconds)
            found.saves.append(self._call("a save", self._save).seconds)
            if time.monotonic() >= next_log_in and len(found.log_ins) < _LOG_INS:
                next_log_in += seconds / _LOG_INS
                found.log_ins.append(self._call("a log-in", self._log_in).seconds)
            time.sleep(_PAUSE_S)
        return found

    def add_machine(self) -> float:
        """Adds a machine, which opens a connection; returns the seconds until its handshake with the hub.

        Raises:
            Refuted: the machine was refused, completed no handshake, or could open no connection.
        """
        began = time.monotonic()
        name = f"newcomer-{next(self._numbers)}"
        try:
            newcomer = self.mesh.machine(name)
        except ApiError as error:
            raise _refused("a new machine", error) from error
        took = time.monotonic() - began
        # A ping is a connection to the hub. All the packets of the stream are of one that was open before.
        if not newcomer.reaches(self._machines[0]):
            raise Refuted(f"beside a hostile tenant, {name} of an ordinary one could open no connection")
        return took

    def measure_by_turns(
        self,
        attack: Callable[[], AbstractContextManager[T]],
        seconds: float,
        newcomers: int = 0,
        is_enough: Callable[[Slowdown], bool] = lambda _: True,
    ) -> tuple[Slowdown, list[T]]:
        """Measures calls in quiet times and beside an attack by turns, so that other load slows both alike.

        Args:
            attack: begins the attack, which goes on while its block runs; called once per turn.
            seconds: time beside the attack in each round; each quiet time is as long as one turn.
            newcomers: machines that are added during each turn of the attack.
            is_enough: tells from the times of all rounds so far whether no further one is needed.

        Returns:
            The cost of the attack, and the result of each turn's attack.

        Raises:
            Refuted: beside the attack a call was refused, a packet lost, a handshake not completed, or a connection not
                opened.
            Inconclusive: the attack failed.
        """
        attacked, results, waits = CallTimes(), list[T](), list[float]()
        with self.streaming():
            quiet = self.measure(seconds / _TURNS)
            for turn in range(1, _MOST_ROUNDS * _TURNS + 1):
                with attack() as result:
                    attacked += self.measure(seconds / _TURNS)
                    waits += [self.add_machine() for _ in range(newcomers)]
                results.append(result)
                quiet += self.measure(seconds / _TURNS)
                found = attacked.compared_with(quiet)
                if turn % _TURNS == 0 and is_enough(found):
                    break
        self._note(quiet, attacked, found, waits)
        return found, results

    def judge(self, attack: Callable[[], AbstractContextManager[T]], seconds: float, newcomers: int = 0) -> list[T]:
        """Measures by turns, again while a figure is above its bound, and judges all rounds together.

        Args:
            attack: begins the attack, which goes on while its block runs; called once per turn.
            seconds: time beside the attack in each round.
            newcomers: machines that are added during each turn of the attack.

        Returns:
            The result of each turn's attack.

        Raises:
            Refuted: beside the attack a call was too slow or refused, a packet lost, a handshake not completed, or a
                connection not opened.
            Inconclusive: the attack failed.
        """
        found, results = self.measure_by_turns(
            attack, seconds, newcomers, lambda so_far: not so_far.violations(self._patience)
        )
        violations = found.violations(self._patience)
        if violations:
            raise Refuted(f"beside a hostile tenant, an ordinary one is held up: {'; '.join(violations)}")
        return results

    def _note(self, quiet: CallTimes, attacked: CallTimes, found: Slowdown, waits: Sequence[float]) -> None:
        record = self._record
        record.took("reads of an ordinary tenant, quiet", quiet.reads)
        record.took("reads of an ordinary tenant, beside a hostile one", attacked.reads)
        record.measure("reads, quiet median", statistics.median(quiet.reads), "s")
        record.measure("reads beside a hostile tenant, times the quiet median", found.reads, "times", limit=READS)
        record.measure("saves, quiet median", statistics.median(quiet.saves), "s")
        record.measure("saves beside a hostile tenant, times the quiet median", found.saves, "times", limit=SAVES)
        record.measure("slowest log-in beside a hostile tenant", found.log_in_s, "s", limit=LOG_IN_S * self._patience)
        if waits:
            record.measure("slowest new machine until its first handshake", max(waits), "s")

    def _save(self) -> Answer:
        # A rule for TCP: the stream is UDP.
        rule = {"action": next(self._flips), "source": "any", "destination": "any", "protocol": "tcp", "ports": "9"}
        return self.mesh.api.call("PUT", "/policy", {"default": "allow", "rules": [rule]})

    def _log_in(self) -> Answer:
        api: Api = self.mesh.api.anonymous()
        try:
            return api.call("POST", "/sessions", {"email": self._email, "password": PASSWORD})
        finally:
            api.close()

    @staticmethod
    def _call(what: str, call: Callable[[], Answer]) -> Answer:
        try:
            return call()
        except ApiError as error:
            raise _refused(what, error) from error


def _refused(what: str, error: ApiError) -> Refuted:
    return Refuted(f"beside a hostile tenant, {what} of an ordinary one was refused: {error}")
