"""Interface of a hub that the gate can test: the acts of an admin, which another project writes for its own hub.

A class with the methods of `Target` is enough to bring machines up and to measure the traffic between them. The methods
of `Lists`, `Shows`, `Judges` and `Stops` are used if it has them; scenarios that need a missing one are inconclusive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, runtime_checkable

from netlab import LabHost

Rule = Mapping[str, str]
"""A rule: `action` (allow, deny), `source` and `destination` (any, machine:ID, group:NAME), `protocol` (any, tcp, udp,
icmp) and `ports` (such as `22,8000-8100`). The last two may be left out, and limit nothing then."""


class Refused(Exception):
    """The hub refuses a request.

    Attributes:
        status: 422 for a request that makes no sense, 404 for a part that the organization does not have, 409 for a
            name or address that is taken or a policy that has another version by now (status codes of RFC 9110).
    """

    def __init__(self, why: str, status: int = 422) -> None:
        """Keeps message and status.

        Args:
            why: the hub's message.
            status: as in the attributes.
        """
        super().__init__(why)
        self.status = status


@dataclass(frozen=True)
class Organization:
    """A tenant of the hub.

    Attributes:
        id: name of the organization for further calls.
        network: range of its machines' addresses, such as `10.100.0.0/16`.
        endpoint: `HOST:PORT` that its machines send to.
        hub_public_key: WireGuard public key of the hub, in base64.
    """

    id: str
    network: str
    endpoint: str
    hub_public_key: str


@dataclass(frozen=True)
class Added:
    """A new machine, with the configuration that wg-quick takes as it is.

    Attributes:
        id: name of the machine for further calls.
        address: IPv4 address in the tunnel, without prefix length.
        public_key: WireGuard public key of the machine, in base64.
        config: the configuration; see wg-quick(8).
    """

    id: str
    address: str
    public_key: str
    # Not in `repr`: it has a private key, and assertions go into transcripts.
    config: str = field(repr=False)


@dataclass(frozen=True)
class Seen:
    """The hub's report on a machine.

    Attributes:
        id: name of the machine for further calls.
        name: name that the admin gave it.
        address: IPv4 address in the tunnel, without prefix length.
        public_key: WireGuard public key, in base64.
        groups: names of its groups.
        online: True if the hub counts it as connected.
        last_handshake: Unix time in seconds; 0 for never.
        received_bytes: bytes that the hub received from it.
        sent_bytes: bytes that the hub sent to it.
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
    """A policy as an organization's admin saves it.

    Attributes:
        default: `allow` or `deny`, for connections that no rule matches. A matching deny rule wins over an allow rule.
        rules: the rules, in no order.
        version: version of the policy that this one was made from; None replaces any.
    """

    default: str
    rules: Sequence[Rule]
    version: int | None = None


@dataclass(frozen=True)
class Question:
    """A connection that a policy can be asked about.

    Attributes:
        source: machine that opens it, as a rule names it.
        destination: machine that it is opened to, as a rule names it.
        protocol: `tcp`, `udp` or `icmp`.
        port: destination port; None without ports.
    """

    source: str
    destination: str
    protocol: str
    port: int | None = None


class Target(Protocol):
    """A hub in a host of the lab, for as long as `with` lasts. Calls come from several threads at once.

    A change is enforced when its method returns. Every method raises `Refused` if the hub refuses.
    """

    def __init__(self, host: LabHost, address: str) -> None:
        """Takes over a host; starts nothing yet.

        Args:
            host: host for the hub, which has nothing but a link to the lab's underlay.
            address: IPv4 address of the host, which machines reach the hub at.
        """

    def __enter__(self) -> object:
        """Starts the hub."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends the hub. The lab is taken away afterwards."""

    def sign_up(self, name: str, network: str) -> Organization:
        """Makes an organization without machines, whose policy allows everything.

        Args:
            name: name that the admin gives it.
            network: range of its machines' addresses, such as `10.100.0.0/16`.

        Returns:
            The organization.

        Raises:
            Refused: the hub refuses the name or the range.
        """

    def delete(self, organization: str) -> None:
        """Deletes an organization with everything that belongs to it.

        Args:
            organization: id of the organization.

        Raises:
            Refused: there is no such organization.
        """

    def add(self, organization: str, name: str, groups: Sequence[str], public_key: str | None) -> Added:
        """Adds a machine.

        Args:
            organization: id of the organization.
            name: name that the admin gives it.
            groups: names of its groups.
            public_key: public key of the machine, in base64; None makes a pair. With a public key, the configuration
                has a placeholder in angle brackets for the private one.

        Returns:
            The machine, with its configuration.

        Raises:
            Refused: the hub refuses the machine.
        """

    def remove(self, organization: str, machine: str) -> None:
        """Removes a machine and the rules about it.

        Args:
            organization: id of the organization.
            machine: id of the machine.

        Raises:
            Refused: the organization has no such machine.
        """

    def save(self, organization: str, policy: Policy) -> None:
        """Puts another policy in force.

        Args:
            organization: id of the organization.
            policy: the policy.

        Raises:
            Refused: the policy makes no sense, or the one in force has another version than `policy.version`.
        """


@runtime_checkable
class Lists(Protocol):
    """A hub that reports on its machines."""

    def machines(self, organization: str) -> Sequence[Seen]:
        """Returns all machines of an organization.

        Args:
            organization: id of the organization.

        Raises:
            Refused: there is no such organization.
        """


@runtime_checkable
class Shows(Protocol):
    """A hub that shows its policies with their versions."""

    def policy(self, organization: str) -> Policy:
        """Returns the policy in force.

        Args:
            organization: id of the organization.

        Raises:
            Refused: there is no such organization.
        """


@runtime_checkable
class Judges(Protocol):
    """A hub that gives the verdict of its policy without traffic."""

    def verdict(self, organization: str, question: Question) -> str:
        """Returns the verdict of the policy in force on a connection, `allow` or `deny`.

        Args:
            organization: id of the organization.
            question: the connection.

        Raises:
            Refused: there is no such organization or machine.
        """


@runtime_checkable
class Stops(Protocol):
    """A hub that can be stopped and started again."""

    def stop(self) -> object:
        """Stops the hub; nothing passes it on return."""

    def start(self) -> object:
        """Starts the hub; all is as before on return."""
