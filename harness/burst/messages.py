"""What a customer at the desk and the desk say to each other: a line of JSON each, in this order.

The desk gives a `Seat`, or nothing when no further organization is wanted. The customer tells what it was given
(`Onboarded`) or why not (`Failed`, and that is the end). The desk answers with a `Proof`. A customer that was asked to
delete its organization ends with `Deleted` or `Failed`.
"""

from __future__ import annotations

from io import BufferedIOBase
from typing import Any

import msgspec

DESK = "MESHWG_BURST_DESK"
"""The environment variable that names the desk's socket to locust's processes."""


class Seat(msgspec.Struct, frozen=True):
    """It is this customer's turn.

    Attributes:
        email, password: of the owner that signs up.
        organization: its name.
        machines: the names of those to add.
        keep: whether the organization stays when its mesh is proven.
    """

    email: str
    password: str
    organization: str
    machines: list[str]
    keep: bool


class Added(msgspec.Struct, frozen=True):
    """A machine, as the answer that added it tells.

    Attributes:
        address: in the overlay network.
        config: the whole text.
    """

    address: str
    config: str


class Onboarded(msgspec.Struct, frozen=True, tag=True):
    """Signed up, and all machines were added.

    Attributes:
        began_ns: on the monotonic clock, just before the sign-up was sent.
        organization: its id.
        hub_key: its hub's public key.
    """

    began_ns: int
    organization: str
    hub_key: str
    machines: list[Added]


class Failed(msgspec.Struct, frozen=True, tag=True):
    """A call was refused, or not answered.

    Attributes:
        began_ns: as in `Onboarded`.
        error: which one, and what was answered.
    """

    began_ns: int
    error: str


class Proof(msgspec.Struct, frozen=True):
    """Whether the machines heard each other.

    Attributes:
        seconds: from the beginning of the sign-up until each had heard the other; None if they did not.
        error: what went wrong, or None.
    """

    seconds: float | None
    error: str | None


class Deleted(msgspec.Struct, frozen=True, tag=True):
    """The organization is gone."""


class Line:
    """One end of a conversation."""

    def __init__(self, read: BufferedIOBase, write: BufferedIOBase) -> None:
        self._read = read
        self._write = write

    def send(self, message: msgspec.Struct | None) -> None:
        """Says it. Raises OSError where nobody listens any more."""
        self._write.write(msgspec.json.encode(message) + b"\n")
        self._write.flush()

    def receive(self, kind: Any) -> Any:
        """What the other end says next.

        Args:
            kind: the type, or union of types, of what it may be.

        Raises:
            ConnectionError: it went away.
        """
        data = self._read.readline()
        if not data.endswith(b"\n"):
            raise ConnectionError("the other end went away")
        return msgspec.json.decode(data, type=kind)
