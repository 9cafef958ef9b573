"""Actor: the caller of a use case, and what it may do by its role and scope."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Connection

from appliance.model.access import CHANGE, MANAGE, Scope
from appliance.model.organization import Role
from appliance.service.credentials import Credential
from appliance.store.repeats import RequestKey


@dataclass(frozen=True)
class Actor:
    """Caller of a use case: a member of an organization, or the operator.

    Attributes:
        email: the member's; "operator" for the operator.
        token: name of the API token of the call; None for a session.
        scope: of that token.
        credential: session, token or invitation of the call, checked again when a change commits; None for a command
            of the operator.
        request: key under which `repeats` notes the request as done, if it has one.
        account: e-mail address of an operator on the pages, for the log of operations; organizations are not told it.
        within: called in the transaction that commits a change: takes the proof that permits the change, or records
            the command that makes it.
    """

    organization_id: str
    member_id: str
    email: str
    role: Role
    token: str | None = None
    scope: Scope | None = None
    credential: Credential | None = field(default=None, compare=False)
    request: RequestKey | None = field(default=None, compare=False)
    account: str = field(default="", compare=False)
    within: Callable[[Connection], None] | None = field(default=None, compare=False)

    @classmethod
    def operator(
        cls,
        organization_id: str,
        credential: Credential | None = None,
        account: str = "",
        within: Callable[[Connection], None] | None = None,
    ) -> Actor:
        """Make the actor for the operator's work on an organization.

        Args:
            credential: the operator's session on the pages; None for a command.
            account: e-mail address of the operator on the pages.
            within: takes the code for a change on the pages (`operator_sessions.permit`), or records a command.
        """
        return cls(organization_id, "", "operator", Role.OWNER, credential=credential, account=account, within=within)

    @property
    def is_operator(self) -> bool:
        """True for the operator, who is no member of the organization."""
        return not self.member_id

    @property
    def is_owner_session(self) -> bool:
        """True for a session of an owner: what others of the organization do must not keep it from working."""
        return self.role is Role.OWNER and self.token is None

    @property
    def may_change(self) -> bool:
        """True if this actor may change machines and policy; False for viewers and tokens for reading."""
        return self.role.may_change and self.scope is not Scope.READ

    @property
    def name(self) -> str:
        """Name of the actor in the audit trail."""
        return self.email if self.token is None else f"{self.email} (token {self.token})"

    def must_change(self) -> None:
        """Raise `Forbidden` unless this actor may change machines and policy."""
        CHANGE.check(self.role, self.scope)

    def must_own(self) -> None:
        """Raise `Forbidden` unless this actor is an owner with a session."""
        MANAGE.check(self.role, self.scope)
