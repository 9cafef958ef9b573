"""Supervision of child processes: started in order, restarted when they die, stopped together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import IO

import structlog

from appliance import lifeline, logs
from appliance.cli.succession import Turn

log = structlog.get_logger()

PROGRAM: tuple[str, ...] = (sys.executable, "-m", "appliance")
"""Command that starts this program as a child."""

_GRACE = 10.0
_POLL, _LONGEST_POLL = 0.02, 0.5
_LOOK = 0.05
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 10.0
_STEADY = 30.0
_LOAD_DEADLINE = 30.0
_LAST_WORDS = 1.0
_STANDARD_ERROR = 2
_LONGEST_LINE = 2**16
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
        command: ``hub`` or ``web``.
        environment: all variables of its process.
        is_confined: True to relay its output through a pipe, so that it can't access the log's terminal or file.
        is_ready: returns True if the process does its work; to be set before it is started.
        handed: open files that it gets for its work, by the variable that tells it their descriptors.
        was_ready: True once a process of it was ready.
    """

    command: str
    environment: Mapping[str, str]
    is_ready: Callable[[], bool] = lambda: False
    handed: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    is_confined: bool = False
    was_ready: bool = field(default=False, init=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _successor: Successor | None = field(default=None, repr=False)
    # By process id.
    _relays: dict[int, threading.Thread] = field(default_factory=dict, repr=False)
    _started_at: float = 0.0
    _pause: float = _FIRST_PAUSE
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
            process = launch(
                self.command, {**self.environment, **turn.environment()}, (turn.descriptor,), is_piped=self.is_confined
            )
        except _CANNOT_START:
            turn.close()
            raise
        finally:
            turn.handed()
        if process.stdout is not None:
            relay = threading.Thread(target=_pass_on, args=(process.stdout,), name="relay", daemon=True)
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
            is_steady = now - self._started_at > _STEADY
            self._pause = _FIRST_PAUSE if is_steady else min(self._pause * 2, _LONGEST_PAUSE)
            self._due = self._started_at + self._pause
        if now < self._due and not at_once:
            return
        log.warning("a process ended and is started again", command=self.command, code=self._process.returncode)
        # Don't wait until it is ready: the other process may have died too.
        try:
            self._spawn()
        except _CANNOT_START as error:
            log.error("a process can't be started", command=self.command, error=str(error))
            self._started_at, self._due = now, None

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
        if self._process is not None:
            self._process.send_signal(number)

    def stop(self) -> None:
        """Ask the process to end, and kill it if it does not in time."""
        if self._process is None:
            return
        self.end()
        if not self.ends_within(_GRACE):
            self._process.kill()
            self._process.wait()
        relay = self._relays.pop(self._process.pid, None)
        if relay is not None:
            # Let it relay the last output.
            relay.join(_LAST_WORDS)


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


def launch(
    command: str, environment: Mapping[str, str], descriptors: tuple[int, ...], *, is_piped: bool
) -> subprocess.Popen[bytes]:
    """Start this program with a command of it.

    Args:
        environment: all of its variables.
        descriptors: open files that it inherits.
        is_piped: True for its output to be read from the process; otherwise it goes where this process's goes.
    """
    # A killed supervisor must not leave an unsupervised service behind.
    begin = partial(lifeline.end_with_parent, os.getpid())
    return spawn([*PROGRAM, command], begin, descriptors, is_piped=is_piped, environment=dict(environment))


def spawn(
    arguments: Sequence[str],
    begin: Callable[[], object],
    descriptors: tuple[int, ...],
    *,
    is_piped: bool,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process as a child of a supervisor; otherwise as `launch`.

    Args:
        begin: called in the new process before it becomes the program.
        environment: None for the variables of this process.
    """
    return subprocess.Popen(
        arguments,
        env=environment,
        # With `-m`, Python imports from the current folder first, which may be somebody else's.
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if is_piped else None,
        stderr=subprocess.STDOUT if is_piped else None,
        pass_fds=descriptors,
        # A signal from the terminal is for the supervisor, which stops its children in order.
        start_new_session=True,
        preexec_fn=begin,
    )


def _pass_on(said: IO[bytes]) -> None:
    """Copy a child's output to standard error line by line, without control characters on a terminal."""
    is_terminal = os.isatty(_STANDARD_ERROR)
    with said:
        while line := said.readline(_LONGEST_LINE):
            if is_terminal:
                line = logs.printable(line.decode(errors="backslashreplace")).encode()
            with suppress(OSError):
                os.write(_STANDARD_ERROR, line)


def pause(waited: float) -> float:
    """Choose the seconds until the next look at a starting process: more after a long wait, as looks slow it down."""
    return min(max(_POLL, waited / 50), _LONGEST_POLL)


@dataclass
class Signals:
    """Requests to a supervisor by signals.

    Plain values: a `threading.Event` has a lock, which the interrupted code may hold.

    Attributes:
        stopped: True to end.
        renewed: True to restart every child.
    """

    stopped: bool = False
    renewed: bool = False

    @classmethod
    def handled(cls) -> Signals:
        """Handle SIGTERM and SIGINT as requests to end, and SIGHUP as a request to restart every child."""
        signals = cls()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: setattr(signals, "stopped", True))
        signal.signal(signal.SIGHUP, lambda *_: setattr(signals, "renewed", True))
        return signals


def watch(
    children: list[Child],
    signals: Signals,
    is_outdated: Callable[[], bool] = lambda: False,
    beside: Sequence[Child] = (),
    meanwhile: Callable[[], None] = lambda: None,
) -> None:
    """Keep the children alive until a request to end, and restart them on request.

    Args:
        is_outdated: returns True if they have to be restarted for another reason; called often.
        beside: further processes, which are kept alive and not restarted on request.
        meanwhile: called often; it may add children.
    """
    while not signals.stopped:
        time.sleep(_LOOK)
        meanwhile()
        if signals.renewed or is_outdated():
            signals.renewed = False
            _renew(children)
        for child in (*children, *beside):
            child.revive()


def _renew(children: list[Child]) -> None:
    for child in children:
        child.prepare()
    if all(child.is_prepared(_LOAD_DEADLINE) for child in children):
        # All are asked first, so that they end in parallel; and whichever has ended gives its turn at once, since the
        # lease of one of many hubs runs on for two seconds only.
        for child in children:
            child.end()
        deadline, waiting = time.monotonic() + _GRACE, list(children)
        while waiting:
            is_late = time.monotonic() > deadline
            ended = [child for child in waiting if is_late or child.ends_within(0)]
            for child in ended:
                child.renew()
            waiting = [child for child in waiting if child not in ended]
            time.sleep(_POLL if waiting else 0)
        return
    for child in children:
        child.forget_successor()
    log.error("no process is restarted, because the installed code does not load; the running ones go on")
