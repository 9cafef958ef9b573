"""Coordinator of a burst: gives each of locust's users an assignment and two machines, and proves its mesh."""

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

from harness.burst import messages
from harness.burst.attempt import Attempt
from harness.burst.clients import ClientPair
from harness.burst.messages import Assignment, MeshResult, MessageStream, Onboarded, OnboardingFailed
from harness.burst.proof import MeshEndpoint, Unproven, exchange
from harness.world.world import PASSWORD
from netlab import Host, NetlabError

MACHINES = ("mumbai", "pune")
_PROOF_DEADLINE = 10.0
"""Seconds: two attempts at a handshake (WireGuard's REKEY_TIMEOUT is 5 s)."""
USER_DEADLINE_S = 1800.0
"""Longest silence of a user, which makes some calls between two messages, each of 300 seconds at most."""
# Locust's users all connect at once, and don't try again.
_BACKLOG = 4096
# Names of links are never used again: an earlier coordinator may have used the same machines.
_links = itertools.count()


@dataclass(frozen=True)
class BurstSpec:
    """Organizations of a burst.

    Attributes:
        organizations: number of organizations; None for any number.
        label: prefix of e-mail addresses, different for each burst on one service.
        keep: keep organizations once their mesh is proven.
    """

    organizations: int | None
    label: str
    keep: bool = False


class Coordinator:
    """Serves locust's users on a unix socket while its block runs, as many at once as there are pairs of machines.

    Args:
        hub: host of the hub.
        pairs: machines that serve one organization after another.
        spec: organizations of the burst.
        path: path of the socket.
        on_attempt: called with each attempt that has ended.
    """

    def __init__(
        self,
        hub: Host,
        pairs: Sequence[ClientPair],
        spec: BurstSpec,
        path: Path,
        on_attempt: Callable[[Attempt], None] = lambda _: None,
    ) -> None:
        self._hub = hub
        self._spec = spec
        self._on_attempt = on_attempt
        self._free = list(pairs)
        self._assigned = 0
        self._closing = False
        self._attempts: list[Attempt] = []
        self._changed = threading.Condition()
        self._server = _Server(path, self._serve)

    def __enter__(self) -> Coordinator:
        threading.Thread(target=self._server.serve_forever, name="burst-coordinator", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._server.shutdown()
        # Waits for the users that are being served; everything here has a deadline.
        self._server.server_close()

    @property
    def attempts(self) -> list[Attempt]:
        """Attempts that have ended so far."""
        with self._changed:
            return list(self._attempts)

    def wait(self, seconds: float) -> bool:
        """Waits until an attempt ends, or for ``seconds``; returns True if all organizations are done."""
        with self._changed:
            if not self._is_done():
                self._changed.wait(seconds)
            return self._is_done()

    def _is_done(self) -> bool:
        return self._spec.organizations is not None and len(self._attempts) >= self._spec.organizations

    def _serve(self, stream: MessageStream) -> None:
        with self._reserved_pair() as reserved:
            if reserved is None:
                stream.send(None)
                return
            attempt = self._attempt(stream, *reserved)
        self._on_attempt(attempt)
        with self._changed:
            self._attempts.append(attempt)
            self._changed.notify_all()

    @contextmanager
    def _reserved_pair(self) -> Iterator[tuple[int, ClientPair] | None]:
        """Yields a number and a pair of machines, or None if no further organization is wanted."""
        with self._changed:
            self._changed.wait_for(lambda: self._free or self._is_closed())
            if self._is_closed():
                yield None
                return
            pair, number = self._free.pop(0), self._assigned
            self._assigned += 1
            # After the last assignment no user needs to wait for another.
            self._changed.notify_all()
        try:
            yield number, pair
        finally:
            with self._changed:
                self._free.append(pair)
                self._changed.notify_all()

    def _is_closed(self) -> bool:
        return self._closing or self._assigned == self._spec.organizations

    def _attempt(self, stream: MessageStream, number: int, pair: ClientPair) -> Attempt:
        attempt = Attempt(number, began_ns=time.monotonic_ns(), ended_ns=0)
        try:
            stream.send(self._assignment(number))
            answer = stream.receive(messages.ONBOARDED)
            if isinstance(answer, OnboardingFailed):
                attempt = replace(attempt, began_ns=answer.began_ns, error=answer.error)
            else:
                attempt = self._onboarded(stream, answer, pair, attempt)
        except (OSError, msgspec.MsgspecError, NetlabError) as error:
            attempt = replace(attempt, error=f"it was not served to its end: {error}")
        return replace(attempt, ended_ns=time.monotonic_ns())

    def _assignment(self, number: int) -> Assignment:
        # Organizations are equal in all that may be equal, so that a mix-up is noticed.
        return Assignment(
            f"{self._spec.label}{number}@example.net", PASSWORD, "customer", list(MACHINES), keep=self._spec.keep
        )

    def _onboarded(self, stream: MessageStream, answer: Onboarded, pair: ClientPair, attempt: Attempt) -> Attempt:
        addresses = tuple(machine.address for machine in answer.machines)
        attempt = replace(
            attempt, began_ns=answer.began_ns, hub_key=answer.hub_key, addresses=addresses, waits=answer.waits
        )
        with ExitStack() as tunnels:
            try:
                configs = [machine.config for machine in answer.machines]
                tunnels.enter_context(pair.connected(configs, f"b{next(_links)}"))
                first, second = map(MeshEndpoint, pair.hosts, addresses)
                heard_ns = exchange(first, second, _PROOF_DEADLINE)
            except (NetlabError, Unproven) as error:
                attempt = replace(attempt, error=str(error).splitlines()[0])
            else:
                attempt = replace(attempt, seconds=(heard_ns - answer.began_ns) / 1e9)
            return self._report_result(stream, answer, attempt)

    def _report_result(self, stream: MessageStream, answer: Onboarded, attempt: Attempt) -> Attempt:
        """Looks up the link's port, sends the result, and waits until the organization is deleted unless it is kept."""
        seen_ns = time.monotonic_ns()
        port = _port_of_link(self._hub, answer.organization)
        until_ns = None if self._spec.keep else time.monotonic_ns()
        attempt = replace(attempt, port=port, existed_ns=(seen_ns, until_ns))
        stream.send(MeshResult(attempt.seconds, attempt.error))
        if self._spec.keep:
            return attempt
        end = stream.receive(messages.DELETED)
        if isinstance(end, OnboardingFailed) and attempt.error is None:
            return replace(attempt, error=end.error)
        return attempt


def _port_of_link(hub: Host, organization: str) -> int | None:
    """Reads the UDP port of the organization's link on the hub's host; returns None if it can't be read."""
    script = (
        'cd /run/netns; for ns in *"$1"; do ip netns exec "$ns" sh -c \'cd /sys/class/net; '
        'for link in *; do [ "$link" = lo ] || wg show "$link" listen-port; done\'; done'
    )
    output = hub.run("sh", "-c", script, "sh", organization, check=False, timeout=_PROOF_DEADLINE).stdout.split()
    return int(output[0]) if output and output[0].isdecimal() else None


class _Server(socketserver.ThreadingUnixStreamServer):
    """Server with a thread for each user."""

    request_queue_size = _BACKLOG

    def __init__(self, path: Path, serve: Callable[[MessageStream], None]) -> None:
        class UserHandler(socketserver.StreamRequestHandler):
            timeout = USER_DEADLINE_S

            def handle(self) -> None:
                # A user that disconnects before its assignment counts for nothing.
                with suppress(OSError):
                    serve(MessageStream(self.rfile, self.wfile))

        super().__init__(os.fspath(path), UserHandler)
