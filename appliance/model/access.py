"""Who may make which call: stated once beside each call and page, and checked in one place."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from appliance.model.errors import Forbidden
from appliance.model.organization import Role


class Scope(str, Enum):
    """What an API token may be used for."""

    READ = "read"
    WRITE = "write"

    def covers(self, other: Scope) -> bool:
        """Whether who may do this may do the other, too."""
        return self is other or self is Scope.WRITE


@dataclass(frozen=True)
class Access:
    """What it takes to make a call.

    Attributes:
        role: the least role of a member; None lets anybody, signed in or not.
        scope: what an API token has to be for; None: no token will do, it takes a person who is signed in.
    """

    role: Role | None
    scope: Scope | None = None

    @property
    def is_public(self) -> bool:
        """Whether it takes no session."""
        return self.role is None

    def check(self, role: Role, scope: Scope | None) -> None:
        """Whether somebody of this role may.

        Args:
            scope: of the API token that the call came with; None for a session.

        Raises:
            Forbidden: not this member, or not with this token.
        """
        if self.role is not None and not role.covers(self.role):
            raise Forbidden(_NEEDED[self.role])
        if scope is None:
            return
        if self.scope is None:
            raise Forbidden("An API token can't do this: sign in.")
        if not scope.covers(self.scope):
            raise Forbidden(f"This token is for {scope.value}, not for {self.scope.value}.")


_NEEDED = {
    Role.VIEWER: "Only a member of the organization may do this.",
    Role.ADMIN: "A viewer may look, not change.",
    Role.OWNER: "Only an owner may do this.",
}

PUBLIC = Access(None)
"""Anybody, signed in or not."""
LOOK = Access(Role.VIEWER, Scope.READ)
"""Every member, and every token."""
CHANGE = Access(Role.ADMIN, Scope.WRITE)
"""Machines and policy."""
MANAGE = Access(Role.OWNER)
"""The organization and its people."""
SELF = Access(Role.VIEWER)
"""What is a member's own: session, password, tokens."""
