"""What it takes to gate a hub: the few things that an admin does with one, as another project writes them for its own.

A class with the methods of `Target` is enough to bring machines up and to measure what passes between them. Whatever of
`Lists`, `Shows`, `Judges` and `Stops` it has as well is asked for, too; scenarios that need more are inconclusive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, runtime_checkable

from netlab import LabHost

Rule = Mapping[str, str]
"""``action`` (allow, deny), ``source`` and ``destination`` (any, machine:ID, group:NAME), ``protocol`` (any, tcp, udp,
icmp) and ``ports`` (``22,8000-8100``); the last two are left out where they limit nothing."""


class Refused(Exception):
    """The hub refuses what it was asked for.

    Args:
        why: in its words.
        status: 422 for what makes no sense, 404 for what the organization does not have, 409 for what is taken, or
            speaks of a policy that is another one by now.
    """

    def __init__(self, why: str, status: int = 422) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True)
class Organization:
    """A tenant of the hub.

    Attributes:
        network: the range of its addresses.
        endpoint: ``HOST:PORT`` that its machines send to.
        hub_public_key: that they know the hub by.
    """

    id: str
    network: str
    endpoint: str
    hub_public_key: str


@dataclass(frozen=True)
class Added:
    """A new machine, with the text that wg-quick is to take as it is.

    Attributes:
        address: without prefix length.
    """

    id: str
    address: str
    public_key: str
    # With a private key in it; the words of an assertion go into transcripts.
    config: str = field(repr=False)


@dataclass(frozen=True)
class Seen:
    """What the hub tells of a machine.

    Attributes:
        last_handshake: Unix time in seconds; 0 for never.
    """

    id: str
    name: str
    address: str
    public_key: str
    groups: tuple[str, ...]
    online: bool
    last_handshake: int
    received_bytes: int
    sent_bytes: int


@dataclass(frozen=True)
class Policy:
    """What an organization's admin saves.

    Attributes:
        default: allow or deny; a deny rule that matches wins over an allow rule, and that one over the default.
        version: of the policy that this one was made of, or None to save over whatever there is.
    """

    default: str
    rules: Sequence[Rule]
    version: int | None = None


@dataclass(frozen=True)
class Question:
    """May ``source`` open this of ``destination``? Both as in a rule."""

    source: str
    destination: str
    protocol: str
    port: int | None = None


class Target(Protocol):
    """A hub in a host of the lab, for as long as ``with`` lasts; calls come from several threads at once.

    Args:
        host: where it is to run; it has nothing but a link to the lab's underlay.
        address: the host's, which machines reach it at.

    What a method answers is enforced when it returns.

    Raises (each method):
        Refused: it won't do that.
    """

    def __init__(self, host: LabHost, address: str) -> None: ...

    def __enter__(self) -> object:
        """Starts it."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends it. The lab is taken away afterwards."""

    def sign_up(self, name: str, network: str) -> Organization:
        """A new organization without a machine, which allows everything within it."""

    def delete(self, organization: str) -> None:
        """Deletes one, with all that belongs to it."""

    def add(self, organization: str, name: str, groups: Sequence[str], public_key: str | None) -> Added:
        """A new machine; with a public key of its own the text has a placeholder in angle brackets for the other."""

    def remove(self, organization: str, machine: str) -> None:
        """Removes a machine, and the rules about it."""

    def save(self, organization: str, policy: Policy) -> None:
        """Puts another policy in force."""


@runtime_checkable
class Lists(Protocol):
    """A hub that tells of its machines."""

    def machines(self, organization: str) -> Sequence[Seen]:
        """All of the organization's."""


@runtime_checkable
class Shows(Protocol):
    """A hub that tells its policy, with the version."""

    def policy(self, organization: str) -> Policy:
        """The one in force."""


@runtime_checkable
class Judges(Protocol):
    """A hub that tells what its policy means, without traffic."""

    def verdict(self, organization: str, question: Question) -> str:
        """``allow`` or ``deny``."""


@runtime_checkable
class Stops(Protocol):
    """A hub that can be stopped and started again."""

    def stop(self) -> object:
        """Nothing passes it when this returns."""

    def start(self) -> object:
        """It is as before when this returns."""
