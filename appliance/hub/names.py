"""What this instance's things are called on the host, so that it never touches anyone else's."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.model.ids import INSTANCE_ID_LENGTH, ORGANIZATION_ID_LENGTH

_PREFIX = "mw"


@dataclass(frozen=True)
class KernelNames:
    """Names of what the kernel has for one organization.

    Attributes:
        namespace: name of its network namespace, as ``ip netns`` lists it.
        link: name of its WireGuard link, at most 15 characters.
    """

    namespace: str
    link: str


@dataclass(frozen=True)
class Names:
    """The names of one instance's things; its id is part of each."""

    instance: str

    def __post_init__(self) -> None:
        if len(self.instance) != INSTANCE_ID_LENGTH:
            raise ValueError(f"an instance's id has {INSTANCE_ID_LENGTH} characters, not {self.instance!r}")

    @property
    def prefix(self) -> str:
        """What every name of this instance begins with."""
        return _PREFIX + self.instance

    @property
    def door(self) -> str:
        """Name of the front door's nftables table, in the hub's own network namespace."""
        return self.prefix + "door"

    def of(self, organization: str) -> KernelNames:
        """Names of what the kernel has for this organization."""
        name = self.prefix + organization
        return KernelNames(namespace=name, link=name)

    def organization_of(self, name: str) -> str | None:
        """The organization that a namespace or link of this instance belongs to; None if it isn't this instance's."""
        if not name.startswith(self.prefix) or len(name) != len(self.prefix) + ORGANIZATION_ID_LENGTH:
            return None
        return name[len(self.prefix) :]
