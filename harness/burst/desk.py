"""Where locust's customers find the lab: each gets a turn, two machines, and the proof of its mesh."""

from __future__ import annotations

import itertools
import os
import socketserver
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from harness.burst.attempt import Attempt
from harness.burst.clients import Pair
from harness.burst.messages import Deleted, Failed, Line, Onboarded, Proof, Seat
from harness.burst.proof import End, Unproven, converse
from harness.world.world import PASSWORD
from netlab import Host, NetlabError

MACHINES = ("mumbai", "pune")
_PROOF_DEADLINE = 10.0
"""Seconds: two tries of a handshake (WireGuard's REKEY_TIMEOUT is 5)."""
# Locust's customers all come at once, and a greenlet does not try again.
_WAITING_ROOM = 4096
# Links of the desk's machines are told apart for as long as the program runs, whoever has used the machines before.
_links = itertools.count()


@dataclass(frozen=True)
class Offer:
    """What the desk gives to those who come.

    Attributes:
        organizations: how many of them; any number if None.
        label: begins the e-mail addresses, and tells bursts on one service apart.
        keep: whether organizations stay when they are proven.
    """

    organizations: int | None
    label: str
    keep: bool = False


class Desk:
    """Serves customers on a unix socket while ``with`` lasts, as many at once as there are pairs of machines.

    Args:
        hub: the hub's host.
        path: of the socket.
        told: hears of each attempt when it has ended.
    """

    def __init__(
        self,
        hub: Host,
        pairs: Sequence[Pair],
        offer: Offer,
        path: Path,
        told: Callable[[Attempt], None] = lambda _: None,
    ) -> None:
        self._hub = hub
        self._offer = offer
        self._told = told
        self._free = list(pairs)
        self._given = 0
        self._closing = False
        self._attempts: list[Attempt] = []
        self._changed = threading.Condition()
        self._server = _Server(path, self._serve)

    def __enter__(self) -> Desk:
        threading.Thread(target=self._server.serve_forever, name="burst-desk", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._server.shutdown()
        # Those that are being served are served to their end: it is never far, everything here has a deadline.
        self._server.server_close()

    @property
    def attempts(self) -> list[Attempt]:
        """Those that have ended so far."""
        with self._changed:
            return list(self._attempts)

    def wait(self, seconds: float) -> bool:
        """Waits until an attempt ends, at most so long; returns whether all that were offered have ended."""
        with self._changed:
            if not self._is_done():
                self._changed.wait(seconds)
            return self._is_done()

    def _is_done(self) -> bool:
        return self._offer.organizations is not None and len(self._attempts) >= self._offer.organizations

    def _serve(self, line: Line) -> None:
        with self._turn() as turn:
            if turn is None:
                line.send(None)
                return
            attempt = self._attempt(line, *turn)
        self._told(attempt)
        with self._changed:
            self._attempts.append(attempt)
            self._changed.notify_all()

    @contextmanager
    def _turn(self) -> Iterator[tuple[int, Pair] | None]:
        """A number and a pair of machines; None if no further organization is wanted."""
        with self._changed:
            self._changed.wait_for(lambda: self._free or self._is_over())
            if self._is_over():
                yield None
                return
            pair, number = self._free.pop(0), self._given
            self._given += 1
            # Whoever waits for a turn has none to wait for after the last.
            self._changed.notify_all()
        try:
            yield number, pair
        finally:
            with self._changed:
                self._free.append(pair)
                self._changed.notify_all()

    def _is_over(self) -> bool:
        return self._closing or self._given == self._offer.organizations

    def _attempt(self, line: Line, number: int, pair: Pair) -> Attempt:
        attempt = Attempt(number, began_ns=time.monotonic_ns(), ended_ns=0)
        try:
            line.send(self._seat(number))
            answer: Onboarded | Failed = line.receive(Onboarded | Failed)
            if isinstance(answer, Failed):
                attempt = replace(attempt, began_ns=answer.began_ns, error=answer.error)
            else:
                attempt = self._onboarded(line, answer, pair, attempt)
        except (OSError, msgspec.MsgspecError, NetlabError) as error:
            attempt = replace(attempt, error=f"it was not served to its end: {error}")
        return replace(attempt, ended_ns=time.monotonic_ns())

    def _seat(self, number: int) -> Seat:
        # Equal in everything that may be: name, range, machines.
        return Seat(
            f"{self._offer.label}{number}@example.net", PASSWORD, "customer", list(MACHINES), keep=self._offer.keep
        )

    def _onboarded(self, line: Line, answer: Onboarded, pair: Pair, attempt: Attempt) -> Attempt:
        addresses = tuple(machine.address for machine in answer.machines)
        attempt = replace(attempt, began_ns=answer.began_ns, hub_key=answer.hub_key, addresses=addresses)
        with ExitStack() as tunnels:
            try:
                configs = [machine.config for machine in answer.machines]
                tunnels.enter_context(pair.connected(configs, f"b{next(_links)}"))
                first, second = map(End, pair.hosts, addresses)
                heard_ns = converse(first, second, _PROOF_DEADLINE)
            except (NetlabError, Unproven) as error:
                attempt = replace(attempt, error=str(error).splitlines()[0])
            else:
                attempt = replace(attempt, seconds=(heard_ns - answer.began_ns) / 1e9)
            return self._proven(line, answer, attempt)

    def _proven(self, line: Line, answer: Onboarded, attempt: Attempt) -> Attempt:
        """Looks at what there is of the organization, answers, and waits until it is deleted if it is to be."""
        seen_ns = time.monotonic_ns()
        port = _port_of_link(self._hub, answer.organization)
        until_ns = None if self._offer.keep else time.monotonic_ns()
        attempt = replace(attempt, port=port, existed_ns=(seen_ns, until_ns))
        line.send(Proof(attempt.seconds, attempt.error))
        if self._offer.keep:
            return attempt
        end: Deleted | Failed = line.receive(Deleted | Failed)
        if isinstance(end, Failed) and attempt.error is None:
            return replace(attempt, error=end.error)
        return attempt


def _port_of_link(hub: Host, organization: str) -> int | None:
    """The UDP port that the organization's link listens on, as the host's own tools tell; None if they don't."""
    script = (
        'cd /run/netns; for ns in *"$1"; do ip netns exec "$ns" sh -c \'cd /sys/class/net; '
        'for link in *; do [ "$link" = lo ] || wg show "$link" listen-port; done\'; done'
    )
    told = hub.run("sh", "-c", script, "sh", organization, check=False, timeout=_PROOF_DEADLINE).stdout.split()
    return int(told[0]) if told and told[0].isdecimal() else None


class _Server(socketserver.ThreadingUnixStreamServer):
    """A thread for each customer."""

    request_queue_size = _WAITING_ROOM

    def __init__(self, path: Path, serve: Callable[[Line], None]) -> None:
        class Conversation(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                # Who goes away before it has a turn is no customer.
                with suppress(OSError):
                    serve(Line(self.rfile, self.wfile))

        super().__init__(os.fspath(path), Conversation)
