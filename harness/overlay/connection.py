"""TCP connection between two machines, judged while the policy changes."""

from __future__ import annotations

from types import TracebackType

from harness.judging.answer import Answer
from harness.judging.verdicts import Inconclusive, Refuted
from harness.overlay.machine import Machine
from netlab import NothingArrived, TcpListener, TcpStream

_DEADLINE = 10.0
_SHORTEST_RETRANSMISSION = "5ms"


class JudgedConnection:
    """A TCP connection that is open while its ``with`` block runs. Lines go out at a steady pace and are echoed.

    No line that is sent while the connection is denied may arrive or come back. Once it is allowed again, TCP repeats
    what was dropped, and the connection carries on.

    Args:
        source: machine that opens the connection.
        destination: machine that accepts it.
        deadline_s: seconds in which a line has to come back while the connection is allowed.

    Attributes:
        stream: the lines and their echoes; None before the block.

    Raises (on leaving the block):
        Refuted: a line that was sent while the connection was denied arrived or came back.
    """

    def __init__(self, source: Machine, destination: Machine, deadline_s: float = _DEADLINE) -> None:
        self.name = f"TCP {source.name}→{destination.name}"
        self._ends = source, destination
        self._deadline_s = deadline_s
        self._denied_since: int | None = None
        self._listener: TcpListener | None = None
        self.stream: TcpStream | None = None

    def __enter__(self) -> JudgedConnection:
        source, destination = self._ends
        self._listener = TcpListener(destination.host, 0, destination.address)
        try:
            self.stream = TcpStream(source.host, destination.address, self._listener.port)
        except OSError as error:
            self._listener.close()
            raise Inconclusive(f"{self.name} could not be opened: {error}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.stream is not None
        assert self._listener is not None
        end = self.stream.mark()
        self.stream.close()
        self._listener.close()
        if error is None:
            self._judge_denial(end)

    def goes_on(self, change: Answer | None = None) -> None:
        """Waits until a line comes back that was sent from now on, or from the answer of a change on.

        Args:
            change: answer of the save that allows the connection; None for now.

        Raises:
            Refuted: no line comes back in 10 s, or one arrived or came back while the connection was denied.
        """
        assert self.stream is not None
        self._judge_denial(None if change is None else change.requested_ns)
        try:
            self.stream.wait_echo(self.stream.mark() if change is None else change.answered_ns, self._deadline_s)
        except NothingArrived as error:
            raise Refuted(f"{self.name} is allowed, and carries nothing for {self._deadline_s:.0f} s") from error

    def stops(self, change: Answer) -> None:
        """Notes that the connection is denied from an answer on, until `goes_on` is called.

        Args:
            change: answer of the save that denies the connection.

        Raises:
            Refuted: a line arrived or came back in an earlier time of denial.
        """
        self._judge_denial(change.requested_ns)
        self._denied_since = change.answered_ns

    def stays_stopped(self) -> None:
        """Judges the present time of denial up to now. Does nothing if the connection is allowed.

        Raises:
            Refuted: a line arrived or came back.
        """
        start = self._denied_since
        self._judge_denial(None)
        self._denied_since = start

    def _judge_denial(self, end_ns: int | None) -> None:
        start, self._denied_since = self._denied_since, None
        if start is None:
            return
        assert self.stream is not None
        assert self._listener is not None
        end = self.stream.mark() if end_ns is None else end_ns
        echoed = self.stream.echoed_in(start, end)
        crossed = max(len(echoed), self._listener.lines_by(end) - self.stream.sent_by(start))
        if crossed:
            raise Refuted(f"{self.name}: {crossed} lines crossed it although it was denied")


def repeat_soon(machine: Machine) -> None:
    """Lets a machine's TCP repeat lost segments after 5 ms, so that connections go on soon after a denial.

    The kernel's own minimum is 200 ms (ip-route(8), rto_min).
    """
    link = machine.tunnel.interface
    (route,) = machine.host.run("ip", "route", "show", "dev", link).stdout.splitlines()
    machine.host.run("ip", "route", "change", *route.split(), "dev", link, "rto_min", _SHORTEST_RETRANSMISSION)
