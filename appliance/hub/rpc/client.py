"""Client of the hub's socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from appliance.hub.errors import Crowded, HubError, HubUnreachable, NotHere, Overtaken, RulesTooLarge
from appliance.hub.host_objects import HostObjects
from appliance.hub.rpc import codec, messages
from appliance.hub.rpc.messages import HubStatus
from appliance.model.desired import Desired, PeerStatus, RuleCount
from appliance.model.difference import between
from appliance.model.probes import Probe
from appliance.vault import CodeSecret, SealedKeys

T = TypeVar("T")

_FOR_ALL_TIMEOUT = 900.0
"""Timeout of calls that go through every organization: there may be thousands."""
_TYPES: Mapping[str, type[HubError]] = {
    "overtaken": Overtaken,
    "too-large": RulesTooLarge,
    "not-here": NotHere,
}
_PATIENCE = 0.9
"""Part of the timeout in which the hub may begin to apply a change; the rest is for the answer."""


class HubClient:
    """Calls the hub. Each thread has a connection of its own, which is reopened after a restart of the hub.

    Every method raises `HubError` if the call failed, and `HubUnreachable` if the hub did not answer.

    Args:
        where: path of the hub's socket, or a function that connects to a hub elsewhere and raises `HubUnreachable`.
        timeout_s: seconds to wait for an answer, except to calls that go through every organization.
        shard: id of the shard whose hub it is; another one's refuses the call (`NotHere`). None: there is one hub.
    """

    def __init__(
        self, where: Path | Callable[[], socket.socket], timeout_s: float = messages.TIMEOUT_S, shard: str | None = None
    ) -> None:
        self._open = partial(_connected, where) if isinstance(where, Path) else where
        self._timeout_s = timeout_s
        self._shard = shard
        self._local = threading.local()

    def create_keys(self, organization: str) -> SealedKeys:
        """Generate a hub key pair for a new organization; returned sealed."""
        return self._call(messages.CreateKeys(organization), SealedKeys)

    def create_code_secret(self, organization: str, member: str) -> CodeSecret:
        """Generate a secret for one-time codes of a member; returned plain and sealed."""
        return self._call(messages.CreateCodeSecret(organization, member), CodeSecret)

    def match_code(self, organization: str, member: str, sealed: bytes, code: str, at: float) -> int | None:
        """Find the time step of a member's one-time code around a time; None if the code is wrong."""
        return self._call(messages.MatchCode(organization, member, sealed, code, at), int | None)  # type: ignore[arg-type]

    def free_ports(self, candidates: Sequence[int], most: int) -> Sequence[int]:
        """Find the first free UDP ports of these on the host, at most ``most``."""
        return self._call(messages.FreePorts(tuple(candidates), most), list[int])

    def apply(
        self,
        organization: str,
        desired: Desired | None,
        *,
        base: int,
        revision: int,
        before: Desired | None = None,
    ) -> None:
        """Enforce a change (`messages.Apply`); if it raises, the previous state stays in force.

        The caller must then commit or `withdraw` the change in this thread. After the end of the connection the hub
        compares itself with the store.

        Args:
            before: the state at the revision ``base``, if known: then only the difference is sent.

        Raises:
            Overtaken: the organization is not at the revision ``base``, or another change of it is under way.
            Crowded: the organization has too much work for the hub.
        """
        if before is None or desired is None or not self._amended(before, desired, base, revision):
            self._call(messages.Apply(organization, desired, base, revision), type(None))
        self._local.applied = self._local.connection

    def _amended(self, before: Desired, after: Desired, base: int, revision: int) -> bool:
        found = between(before, after)
        return found is not None and self._call(messages.Amend(after.organization, found, base, revision), bool)

    def fence(self, organization: str) -> None:
        """Tell that the one hub of a host needs no fence (`service.context.HubPort`)."""
        del organization

    def withdraw(self, organization: str, revision: int) -> None:
        """Restore the state before this revision was applied."""
        self._call(messages.Withdraw(organization, revision), type(None))

    def confirm(self, organization: str, revision: int) -> None:
        """Make sure, after the commit, that this thread's last change is in force.

        That needs a call only if the hub was restarted since, as it may have read the store before the commit.
        """
        kept: socket.socket | None = getattr(self._local, "connection", None)
        applied: socket.socket | None = getattr(self._local, "applied", None)
        if kept is None or kept is not applied or _has_ended(kept):
            self._call(messages.Confirm(organization, revision), type(None))

    def remove(self, organization: str) -> None:
        """Remove everything of a deleted organization from the host."""
        self._call(messages.Remove(organization), type(None))

    def peers(self, organization: str) -> Sequence[PeerStatus]:
        """Read the status of the organization's machines from WireGuard."""
        return self._call(messages.Peers(organization), list[PeerStatus])

    def ping(self, organization: str, machine: str) -> float | None:
        """Ping a machine; returns milliseconds, or None if it did not reply in two seconds.

        Raises:
            Crowded: a ping of the organization is running, or too many of all.
        """
        return self._call(messages.Ping(organization, machine), float | None)  # type: ignore[arg-type]

    def measure(self, organization: str, probes: Sequence[Probe]) -> Sequence[bool]:
        """Measure which probes the rules in force forward, in a copy of them; in the probes' order.

        Raises:
            Crowded: a measurement of the organization is running, or too many of all.
            RulesTooLarge: the rules are too large to be copied.
        """
        return self._call(messages.Measure(organization, tuple(probes)), list[bool])

    def counters(self, organization: str) -> Sequence[RuleCount]:
        """Read the counter of each rule of the organization."""
        return self._call(messages.Counters(organization), list[RuleCount])

    def census(self) -> Sequence[HostObjects]:
        """Read the objects on the host of each organization of this instance."""
        return self._call(messages.Census(), list[HostObjects], _FOR_ALL_TIMEOUT)

    def status(self) -> HubStatus:
        return self._call(messages.Status(), HubStatus)

    def tear_down(self) -> None:
        """Remove everything of this instance from the host."""
        self._call(messages.TearDown(), type(None), _FOR_ALL_TIMEOUT)

    def rotate_secret(self, present: str, new: str) -> None:
        """Make the new unlock secret the only one that opens the store; after an error, exactly one of the two does.

        Only the hub's own user may call this.
        """
        self._call(messages.RotateSecret(present, new), type(None), _FOR_ALL_TIMEOUT)

    def _call(self, call: messages.Call, kind: type[T], timeout_s: float | None = None) -> T:
        data = self._exchange(call, self._timeout_s if timeout_s is None else timeout_s)
        answer = codec.decode(data, messages.Done | messages.Failed)
        if isinstance(answer, messages.Failed):
            raise _error(answer)
        return codec.decode(bytes(answer.answer), kind)

    def _exchange(self, call: messages.Call, timeout_s: float) -> bytes:
        kept: socket.socket | None = getattr(self._local, "connection", None)
        if kept is not None:
            # A connection to a restarted hub ends without an answer; every call may be repeated.
            try:
                return self._ask(kept, call, timeout_s)
            except TimeoutError as error:
                self._close(kept)
                raise HubUnreachable(f"the hub did not answer in {timeout_s:.0f} s") from error
            except OSError:
                self._close(kept)
        connection = self._connect()
        try:
            return self._ask(connection, call, timeout_s)
        except OSError as error:
            self._close(connection)
            raise HubUnreachable(f"the hub did not answer: {error}") from error

    def _ask(self, connection: socket.socket, call: messages.Call, timeout_s: float) -> bytes:
        connection.settimeout(timeout_s)
        codec.send(connection, messages.TimedCall(call, _PATIENCE * timeout_s, self._shard))
        data = codec.receive(connection)
        if data is None:
            raise ConnectionError("the hub ended the connection")
        return data

    def _connect(self) -> socket.socket:
        connection = self._local.connection = self._open()
        return connection

    def _close(self, connection: socket.socket) -> None:
        connection.close()
        self._local.connection = None


def _connected(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(messages.TIMEOUT_S)
    try:
        connection.connect(str(path))
    except OSError as error:
        connection.close()
        raise HubUnreachable(f"the hub can't be reached: {error.strerror}") from error
    return connection


def _error(answer: messages.Failed) -> HubError:
    if answer.kind == "crowded":
        return Crowded(answer.reason, retry_after=answer.retry_after)
    return _TYPES.get(answer.kind, HubError)(answer.reason)


def _has_ended(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
