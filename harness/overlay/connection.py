"""A running TCP connection, with what ought to become of it over time."""

from __future__ import annotations

from types import TracebackType

from harness.judging.answer import Answer
from harness.judging.verdicts import Inconclusive, Refuted
from harness.overlay.mesh import Machine
from netlab import NothingArrived, TcpListener, TcpStream

_DEADLINE = 10.0
_SHORTEST_RETRANSMISSION = "5ms"


class Connection:
    """Opened by one machine to another when ``with`` is entered; lines go out at a steady pace and come back.

    While it is denied no line that is sent comes back. When it is allowed again it goes on by itself: TCP sends again
    what was dropped.
    """

    def __init__(self, source: Machine, destination: Machine, interval: float = 0.005) -> None:
        self.name = f"TCP {source.name}→{destination.name}"
        self._ends = source, destination
        self._interval = interval
        self._denied_since: int | None = None
        self._listener: TcpListener | None = None
        self._stream: TcpStream | None = None

    def __enter__(self) -> Connection:
        source, destination = self._ends
        self._listener = TcpListener(destination.host, 0, destination.address)
        try:
            self._stream = TcpStream(source.host, destination.address, self._listener.port, self._interval)
        except OSError as error:
            self._listener.close()
            raise Inconclusive(f"{self.name} could not be opened: {error}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._stream is not None
        assert self._listener is not None
        end = self._stream.mark()
        self._stream.close()
        self._listener.close()
        if error is None:
            self._judge_denial(end)

    def goes_on(self, change: Answer | None = None) -> None:
        """A line that is sent from here on (or from the answer of this change on) comes back.

        Raises:
            Refuted: none does, or one had come back while the connection was denied.
        """
        assert self._stream is not None
        self._judge_denial(None if change is None else change.requested_ns)
        try:
            self._stream.wait_echo(self._stream.mark() if change is None else change.answered_ns, _DEADLINE)
        except NothingArrived as error:
            raise Refuted(f"{self.name} is allowed, and carries nothing for {_DEADLINE:.0f} s") from error

    def stops(self, change: Answer) -> None:
        """From the answer of this change on no line that is sent comes back, until `goes_on` is called.

        Raises:
            Refuted: one had come back while the connection was denied before.
        """
        self._judge_denial(change.requested_ns)
        self._denied_since = change.answered_ns

    def stays_stopped(self) -> None:
        """Nothing that it must not carry has crossed it so far.

        Raises:
            Refuted: a line has.
        """
        start = self._denied_since
        self._judge_denial(None)
        self._denied_since = start

    def _judge_denial(self, end_ns: int | None) -> None:
        start, self._denied_since = self._denied_since, None
        if start is None:
            return
        assert self._stream is not None
        late = self._stream.echoed_in(start, self._stream.mark() if end_ns is None else end_ns)
        if late:
            raise Refuted(f"{self.name}: {len(late)} lines crossed it although it was denied")


def repeat_soon(machine: Machine) -> None:
    """Has a machine's TCP repeat what was lost after some milliseconds, so that it goes on soon after a denial.

    With the kernel's own minimum of 200 ms each denial would be waited for at least that long (ip-route(8), rto_min).
    """
    link = machine.tunnel.interface
    (route,) = machine.host.run("ip", "route", "show", "dev", link).stdout.splitlines()
    machine.host.run("ip", "route", "change", *route.split(), "dev", link, "rto_min", _SHORTEST_RETRANSMISSION)
