"""Messages between a user of locust and the coordinator, one line of JSON each, in this order.

1. The coordinator sends an `Assignment`, or null if no further organization is wanted.
2. The user sends `Onboarded`, or `OnboardingFailed`, which ends the exchange.
3. The coordinator sends a `MeshResult`.
4. If the organization is not kept, the user sends `Deleted` or `OnboardingFailed`.
"""

from __future__ import annotations

from io import BufferedIOBase
from typing import TypeVar

import msgspec

T = TypeVar("T")

COORDINATOR = "MESHWG_BURST_COORDINATOR"
"""Environment variable with the path of the coordinator's socket."""


class Assignment(msgspec.Struct, frozen=True):
    """Organization that a user creates.

    Attributes:
        email: address of its owner.
        password: password of its owner.
        organization: name of the organization.
        machines: names of its machines.
        keep: keep the organization once its mesh is proven.
    """

    email: str
    password: str
    organization: str
    machines: list[str]
    keep: bool


class AddedMachine(msgspec.Struct, frozen=True):
    """A machine that was added.

    Attributes:
        address: overlay address.
        config: text for wg-quick.
    """

    address: str
    config: str


class Onboarded(msgspec.Struct, frozen=True, tag=True):
    """The user has signed up and added all machines.

    Attributes:
        began_ns: time just before the sign-up was sent, on the monotonic clock.
        organization: id of the organization.
        hub_key: public key of its hub.
        machines: machines in the order of the assignment.
        waits: number of answers that asked it to try again a moment later.
    """

    began_ns: int
    organization: str
    hub_key: str
    machines: list[AddedMachine]
    waits: int = 0


class OnboardingFailed(msgspec.Struct, frozen=True, tag=True):
    """A call was refused or not answered.

    Attributes:
        began_ns: time just before the sign-up was sent, on the monotonic clock.
        error: the call and its answer.
    """

    began_ns: int
    error: str


class MeshResult(msgspec.Struct, frozen=True):
    """Result of the packets between the machines.

    Attributes:
        seconds: time from sign-up until each machine had received a packet of the other; None if they did not.
        error: the first error, or None.
    """

    seconds: float | None
    error: str | None


class Deleted(msgspec.Struct, frozen=True, tag=True):
    """The organization was deleted."""


# Made at import, for the reason in CONTRIBUTING.md.
NEXT = msgspec.json.Decoder(Assignment | None)
"""Decoder of what the coordinator sends to a free user."""
ONBOARDED = msgspec.json.Decoder(Onboarded | OnboardingFailed)
"""Decoder of a user's answer to an assignment."""
RESULT = msgspec.json.Decoder(MeshResult)
"""Decoder of the coordinator's judgement of a mesh."""
DELETED = msgspec.json.Decoder(Deleted | OnboardingFailed)
"""Decoder of a user's last message."""


class MessageStream:
    """One end of a connection that carries messages."""

    def __init__(self, read: BufferedIOBase, write: BufferedIOBase) -> None:
        self._read = read
        self._write = write

    def send(self, message: msgspec.Struct | None) -> None:
        """Sends a message.

        Raises:
            OSError: the other end is gone.
        """
        self._write.write(msgspec.json.encode(message) + b"\n")
        self._write.flush()

    def receive(self, decoder: msgspec.json.Decoder[T]) -> T:
        """Waits for the next message.

        Args:
            decoder: decoder of the messages that may come.

        Raises:
            ConnectionError: the other end is gone.
        """
        data = self._read.readline()
        if not data.endswith(b"\n"):
            raise ConnectionError("the other end went away")
        return decoder.decode(data)
