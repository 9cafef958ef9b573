"""Access rights: each API call and page declares what it needs, and one method checks it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from appliance.model.errors import Forbidden
from appliance.model.organization import Role
from appliance.model.sentences import sentence


class Scope(str, Enum):
    """Rights of an API token."""

    READ = "read"
    WRITE = "write"

    def covers(self, other: Scope) -> bool:
        """True if this scope includes the other one."""
        return self is other or self is Scope.WRITE


@dataclass(frozen=True)
class Access:
    """Rights that a call needs.

    Attributes:
        role: the least privileged role that may call; None admits everybody, signed in or not.
        scope: the scope that an API token needs; None refuses every token and needs a session.
    """

    role: Role | None
    scope: Scope | None = None

    @property
    def is_public(self) -> bool:
        """True if it needs no session."""
        return self.role is None

    def check(self, role: Role, scope: Scope | None) -> None:
        """Check the caller's rights.

        Args:
            role: the calling member's.
            scope: of the API token that the call came with; None for a session.

        Raises:
            Forbidden: the role or the token does not suffice.
        """
        if self.role is not None and not role.covers(self.role):
            raise Forbidden(_NEEDED[self.role])
        if scope is None:
            return
        if self.scope is None:
            raise Forbidden("An API token can't do this: sign in.")
        if not scope.covers(self.scope):
            raise Forbidden("This token is for {scope}, not for {needed}.", scope=scope, needed=self.scope)


_NEEDED = {
    Role.VIEWER: sentence("Only a member of the organization may do this."),
    Role.ADMIN: sentence("A viewer may look, not change."),
    Role.OWNER: sentence("Only an owner may do this."),
}

PUBLIC = Access(None)
"""Everybody, signed in or not."""
LOOK = Access(Role.VIEWER, Scope.READ)
"""Every member and every token."""
CHANGE = Access(Role.ADMIN, Scope.WRITE)
"""Change machines and policy."""
MANAGE = Access(Role.OWNER)
"""Manage the organization and its members."""
SELF = Access(Role.VIEWER)
"""Manage a member's own session, password and tokens."""
