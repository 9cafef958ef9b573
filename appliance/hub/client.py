"""The caller's end of the hub's socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from appliance.hub import messages
from appliance.hub.errors import HubError, HubUnreachable
from appliance.hub.footprint import Footprint
from appliance.hub.messages import HubStatus
from appliance.model.desired import Desired, PeerStatus, RuleCount
from appliance.vault import CodeSecret, SealedKeys

T = TypeVar("T")

_TIMEOUT = 60.0
_FOR_ALL_TIMEOUT = 900.0
"""Seconds for what goes through every organization: there may be thousands."""


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

    def find_port(self, candidates: Sequence[int]) -> int | None:
        """The first of these UDP ports that nothing on the host has."""
        return self._call(messages.FindPort(tuple(candidates)), int | None)  # type: ignore[arg-type]

    def apply(self, desired: Desired) -> None:
        """Enforced when it returns; if it raises, what was before stands."""
        self._call(messages.Apply(desired), type(None))

    def remove(self, organization: str) -> None:
        """Nothing of it is left on the host when it returns."""
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
        answer = messages.decode(data, messages.Done | messages.Failed)
        if isinstance(answer, messages.Failed):
            raise HubError(answer.reason)
        return messages.decode(bytes(answer.answer), kind)

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
        messages.send(connection, call)
        data = messages.receive(connection)
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
