"""Names of this instance's kernel objects, so that it never touches anyone else's."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.model.ids import INSTANCE_ID_LENGTH, ORGANIZATION_ID_LENGTH

_PREFIX = "mw"


@dataclass(frozen=True)
class KernelNames:
    """Names of one organization's kernel objects.

    Attributes:
        namespace: name of its network namespace, as ``ip netns`` lists it.
        link: name of its WireGuard link, at most 15 characters.
    """

    namespace: str
    link: str


@dataclass(frozen=True)
class Names:
    """Names of one instance's kernel objects; the instance's id is part of each."""

    instance: str

    def __post_init__(self) -> None:
        if len(self.instance) != INSTANCE_ID_LENGTH:
            raise ValueError(f"an instance's id has {INSTANCE_ID_LENGTH} characters, not {self.instance!r}")

    @property
    def prefix(self) -> str:
        """Common beginning of all names of this instance."""
        return _PREFIX + self.instance

    @property
    def door(self) -> str:
        """Name of the front door's nftables table, in the hub's own network namespace."""
        return self.prefix + "door"

    @property
    def gate(self) -> str:
        """Name of the nftables table that closes the front door when its lease ends, in the same network namespace."""
        return self.prefix + "gate"

    def of(self, organization: str) -> KernelNames:
        """Names of this organization's kernel objects."""
        name = self.prefix + organization
        return KernelNames(namespace=name, link=name)

    def organization_of(self, name: str) -> str | None:
        """Id of the organization that owns a namespace or link; None if the name is not of this instance."""
        if not name.startswith(self.prefix) or len(name) != len(self.prefix) + ORGANIZATION_ID_LENGTH:
            return None
        return name[len(self.prefix) :]
