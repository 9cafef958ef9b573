"""The caller's end of the hub's socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from appliance.hub.errors import Crowded, HubError, HubUnreachable, Overtaken
from appliance.hub.rpc import codec, messages
from appliance.hub.rpc.footprint import Footprint
from appliance.hub.rpc.messages import HubStatus
from appliance.model.desired import Desired, PeerStatus, RuleCount
from appliance.model.difference import between
from appliance.vault import CodeSecret, SealedKeys

T = TypeVar("T")

_TIMEOUT = 60.0
_FOR_ALL_TIMEOUT = 900.0
"""Seconds for what goes through every organization: there may be thousands."""
_PATIENCE = 0.9
"""The part of it in which the hub may begin to make an answer true; the rest is for the answer to come back."""


class HubClient:
    """Calls the hub. Each thread has a connection of its own, kept open and opened again when the hub was restarted.

    Every method raises `HubError` when the hub could not do it, and `HubUnreachable` when it did not answer.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()

    def create_keys(self, organization: str) -> SealedKeys:
        """A hub key pair for a new organization, sealed."""
        return self._call(messages.CreateKeys(organization), SealedKeys)

    def create_code_secret(self, organization: str, member: str) -> CodeSecret:
        """A secret for one-time codes of a member, plain and sealed."""
        return self._call(messages.CreateCodeSecret(organization, member), CodeSecret)

    def match_code(self, organization: str, member: str, sealed: bytes, code: str, at: float) -> int | None:
        """The step that a member's one-time code is of, about this time; None where it is wrong."""
        return self._call(messages.MatchCode(organization, member, sealed, code, at), int | None)  # type: ignore[arg-type]

    def free_ports(self, candidates: Sequence[int], most: int) -> Sequence[int]:
        """The first of these UDP ports that nothing on the host has, at most so many."""
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
        """Enforces a change (`messages.Apply`); if it raises, what was before stands.

        Args:
            before: the state at the revision ``base``, if it is known: then only the difference is told.

        It is this thread's to commit or to `withdraw` then. Once the connection ends the hub asks the store.

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

    def withdraw(self, organization: str, revision: int) -> None:
        """What was before this revision was applied is in force again when it returns."""
        self._call(messages.Withdraw(organization, revision), type(None))

    def confirm(self, organization: str, revision: int) -> None:
        """Makes sure, after the commit, that what this thread applied last is in force.

        It is, as long as the hub that took it is there. One that was started since may have read the store before.
        """
        kept: socket.socket | None = getattr(self._local, "connection", None)
        applied: socket.socket | None = getattr(self._local, "applied", None)
        if kept is None or kept is not applied or _has_ended(kept):
            self._call(messages.Confirm(organization, revision), type(None))

    def remove(self, organization: str) -> None:
        """Nothing of an organization that nobody has any more is left on the host when it returns."""
        self._call(messages.Remove(organization), type(None))

    def peers(self, organization: str) -> Sequence[PeerStatus]:
        """What WireGuard knows of the organization's machines."""
        return self._call(messages.Peers(organization), list[PeerStatus])

    def counters(self, organization: str) -> Sequence[RuleCount]:
        """What the kernel counted for each rule of the organization."""
        return self._call(messages.Counters(organization), list[RuleCount])

    def census(self) -> Sequence[Footprint]:
        """What exists on the host for this instance."""
        return self._call(messages.Census(), list[Footprint], _FOR_ALL_TIMEOUT)

    def status(self) -> HubStatus:
        """How the hub is."""
        return self._call(messages.Status(), HubStatus)

    def tear_down(self) -> None:
        """Nothing of this instance is left on the host when it returns."""
        self._call(messages.TearDown(), type(None), _FOR_ALL_TIMEOUT)

    def rotate_secret(self, present: str, new: str) -> None:
        """Only the new unlock secret opens the store when it returns; if it raises, one of the two does, nothing else.

        Only the hub's own user may ask for it.
        """
        self._call(messages.RotateSecret(present, new), type(None), _FOR_ALL_TIMEOUT)

    def _call(self, call: messages.Call, kind: type[T], timeout_s: float = _TIMEOUT) -> T:
        data = self._exchange(call, timeout_s)
        answer = codec.decode(data, messages.Done | messages.Failed)
        if isinstance(answer, messages.Failed):
            raise _error(answer)
        return codec.decode(bytes(answer.answer), kind)

    def _exchange(self, call: messages.Call, timeout_s: float) -> bytes:
        kept: socket.socket | None = getattr(self._local, "connection", None)
        if kept is not None:
            # A kept connection to a hub that was restarted ends without an answer; every call may be made twice.
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
        codec.send(connection, messages.Request(call, _PATIENCE * timeout_s))
        data = codec.receive(connection)
        if data is None:
            raise ConnectionError("the hub ended the connection")
        return data

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(_TIMEOUT)
        try:
            connection.connect(str(self._path))
        except OSError as error:
            connection.close()
            raise HubUnreachable(f"the hub can't be reached: {error.strerror}") from error
        self._local.connection = connection
        return connection

    def _close(self, connection: socket.socket) -> None:
        connection.close()
        self._local.connection = None


def _error(answer: messages.Failed) -> HubError:
    if answer.kind == "crowded":
        return Crowded(answer.reason, retry_after=answer.retry_after)
    return Overtaken(answer.reason) if answer.kind == "overtaken" else HubError(answer.reason)


def _has_ended(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
