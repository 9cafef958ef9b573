"""Child process of a supervisor: its start, its end, and its successors."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import structlog

from appliance.cli import launching
from appliance.cli.succession import Turn

log = structlog.get_logger()

GRACE_S = 10.0
"""Longest time in seconds that a process has for its end, before it is killed."""

POLL_S = 0.02
"""Shortest time in seconds between looks at a process that starts or ends."""

_LONGEST_POLL_S = 0.5
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 10.0
_STEADY_S = 30.0
_LAST_WORDS_S = 1.0
# The signal itself ends a process that has not begun its work.
_GOOD_ENDS = (0, -signal.SIGTERM)
_CANNOT_START = (OSError, subprocess.SubprocessError)


class NotStarted(Exception):
    """A child ended, or did not become ready in time."""


@dataclass(frozen=True)
class Successor:
    """A successor that waits for its turn."""

    process: subprocess.Popen[bytes]
    turn: Turn


@dataclass
class Child:
    """A command of this program in a process of its own.

    Attributes:
        command: ``hub``, ``shard``, ``web`` or ``demo``.
        environment: variables of its process.
        is_confined: True to relay its output through a pipe, so that it can't access the log's terminal or file.
        is_ready: returns True if the process does its work; to be set before it is started.
        handed: open files that it gets for its work, by the variable that tells it their descriptors.
        latest: returns more variables, with their values at the time of a start.
        may_end: True if it ends by itself, with status 0, when its work here is done.
        was_ready: True once a process of it was ready.
    """

    command: str
    environment: Mapping[str, str]
    is_ready: Callable[[], bool] = lambda: False
    handed: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    is_confined: bool = False
    latest: Callable[[], Mapping[str, str]] = dict
    may_end: bool = False
    was_ready: bool = field(default=False, init=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _successor: Successor | None = field(default=None, repr=False)
    # By process id.
    _relays: dict[int, threading.Thread] = field(default_factory=dict, repr=False)
    _started_at: float = 0.0
    _is_asked: bool = False
    _pause: float = _FIRST_PAUSE_S
    # Time of the next start, after it was found dead.
    _due: float | None = None

    def start(self, deadline: float) -> None:
        """Start the process, or give the turn to a successor that waits for it, and wait until it is ready.

        Args:
            deadline: longest wait in seconds.

        Raises:
            NotStarted: it ended, or was not ready in time.
        """
        self._spawn()
        self.await_ready(deadline)

    def await_ready(self, deadline: float) -> None:
        """Wait until the process is ready; also if it was restarted just now.

        Args:
            deadline: longest time since its start, in seconds.

        Raises:
            NotStarted: it ended, or was not ready in time.
        """
        while not self.is_ready():
            self.check()
            waited = time.monotonic() - self._started_at
            if waited > deadline:
                raise NotStarted(f"The {self.command} process was not ready after {deadline:.0f} seconds.")
            time.sleep(pause(waited))
        self.was_ready = True

    def check(self) -> None:
        """Check that the process runs.

        Raises:
            NotStarted: it ended, or could not be started.
        """
        if self._process is None:
            raise NotStarted(f"The {self.command} process could not be started.")
        code = self._process.poll()
        if code is not None:
            raise NotStarted(f"The {self.command} process ended with code {code}.")

    def _spawn(self) -> None:
        if self._successor is None:
            self._successor = self._launch()
        self._succeed()

    def _launch(self) -> Successor:
        """Start the program of the command, which waits for its turn."""
        turn = Turn()
        try:
            process = launching.launch(
                self.command,
                {**self.environment, **self.latest(), **turn.environment()},
                (turn.descriptor,),
                is_piped=self.is_confined,
            )
        except _CANNOT_START:
            turn.close()
            raise
        finally:
            turn.handed()
        if process.stdout is not None:
            relay = threading.Thread(target=launching.relay, args=(process.stdout,), name="relay", daemon=True)
            relay.start()
            self._relays = {pid: each for pid, each in self._relays.items() if each.is_alive()} | {process.pid: relay}
        return Successor(process, turn)

    def ends_within(self, seconds: float) -> bool:
        """Wait for the end of the process; False if it goes on."""
        if self._process is None:
            return False
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def revive(self, *, at_once: bool = False) -> None:
        """Restart the process if it died, with growing pauses if it dies soon after its start.

        Args:
            at_once: without a pause.
        """
        if self._process is None or self._process.poll() is None:
            return
        now = time.monotonic()
        if self._due is None:
            is_steady = now - self._started_at > _STEADY_S
            self._pause = _FIRST_PAUSE_S if is_steady else min(self._pause * 2, _LONGEST_PAUSE_S)
            self._due = self._started_at + self._pause
        if now < self._due and not at_once:
            return
        self._tell_of_end(self._process.returncode, " and is started again")
        # Don't wait until it is ready: the other process may have died too.
        try:
            self._spawn()
        except _CANNOT_START as error:
            log.error("a process can't be started", command=self.command, error=str(error))
            self._started_at, self._due = now, None

    def _tell_of_end(self, code: int, then: str = "") -> None:
        """Log an end that nobody asked for."""
        if code == 0 and self.may_end:
            log.info(f"a process has done its work{then}", command=self.command)
        elif code == -signal.SIGKILL:
            # By an operator, or by the kernel where memory is short: a name of its own, since nothing of ours did it.
            log.error(f"the {self.command} process was killed{then}", code=code)
        else:
            log.error(f"the {self.command} process ended{then}", code=code)

    def prepare(self) -> None:
        """Start a successor, which loads its code while this process, or another one before it, works."""
        try:
            self._successor = self._launch()
        except _CANNOT_START as error:
            log.error("a process can't be started", command=self.command, error=str(error))

    def is_prepared(self, deadline: float) -> bool:
        """Wait at most so many seconds until the successor has loaded; False if it can't."""
        return self._successor is not None and self._successor.turn.is_awaited(deadline)

    def renew(self) -> None:
        """Stop the process, and give the turn to its successor."""
        self.stop()
        log.info("a process is started again, as asked", command=self.command)
        self._succeed()

    def _succeed(self) -> None:
        successor, self._successor = self._successor, None
        assert successor is not None
        self._started_at, self._due, self._process = time.monotonic(), None, successor.process
        self._is_asked = False
        # If the successor has ended meanwhile, `revive` notices.
        with suppress(OSError):
            successor.turn.give(self.handed)
        successor.turn.close()

    def forget_successor(self) -> None:
        """End the successor."""
        if self._successor is not None:
            self._successor.turn.close()
            self._successor.process.kill()
            self._successor.process.wait()
            self._successor = None

    def end(self, number: int = signal.SIGTERM) -> None:
        """Ask the process to end by a signal; returns at once."""
        if self._process is not None and self._process.poll() is None:
            self._is_asked = True
            self._process.send_signal(number)

    def stop(self) -> None:
        """Ask the process to end, and kill it if it does not in time. Neither that nor a bad end passes in silence."""
        if self._process is None:
            return
        self.end()
        if not self.ends_within(GRACE_S):
            log.error(f"the {self.command} process does not end and is killed", after_s=GRACE_S)
            self._process.kill()
            self._process.wait()
        elif not self._is_asked:
            # One that never was ready is told of by `NotStarted`.
            if self.was_ready:
                self._tell_of_end(self._process.returncode)
        elif self._process.returncode not in _GOOD_ENDS:
            log.error(f"the {self.command} process failed at its end", code=self._process.returncode)
        relay = self._relays.pop(self._process.pid, None)
        if relay is not None:
            # Let it relay the last output.
            relay.join(_LAST_WORDS_S)


@contextmanager
def prepared(*children: Child) -> Iterator[None]:
    """Let the children load their code during the block; those that were not started by its end are ended."""
    try:
        for child in children:
            child.prepare()
        yield
    finally:
        for child in children:
            child.forget_successor()


def pause(waited: float) -> float:
    """Choose the seconds until the next look at a starting process: more after a long wait, as looks slow it down."""
    return min(max(POLL_S, waited / 50), _LONGEST_POLL_S)
