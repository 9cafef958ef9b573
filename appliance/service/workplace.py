"""What every use case works with, and the one way in which anything is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import structlog
from sqlalchemy import Connection

from appliance.hub.errors import HubError
from appliance.model.desired import Desired, PeerStatus
from appliance.model.errors import Forbidden, NotEnforced, NotFound
from appliance.model.organization import Organization, Role
from appliance.store import Store, audit, organizations, times
from appliance.vault import SealedKeys

log = structlog.get_logger()


class HubPort(Protocol):
    """What use cases ask of the data plane; `appliance.hub.client.HubClient` is one."""

    def create_keys(self, organization: str) -> SealedKeys: ...

    def find_port(self, candidates: Sequence[int]) -> int | None: ...

    def apply(self, desired: Desired) -> None: ...

    def remove(self, organization: str) -> None: ...

    def peers(self, organization: str) -> Sequence[PeerStatus]: ...


@dataclass(frozen=True)
class Workplace:
    """The store, the data plane, and what the operator decided.

    Attributes:
        endpoint_host: what configurations name as the hub's address.
        endpoint_port: the public UDP port, which all organizations share.
        clock: gives the current time in UTC.
    """

    store: Store
    hub: HubPort
    endpoint_host: str
    endpoint_port: int
    clock: Callable[[], datetime] = times.now

    @property
    def endpoint(self) -> str:
        """``host:port`` of the hub; an IPv6 address in brackets."""
        host = f"[{self.endpoint_host}]" if ":" in self.endpoint_host else self.endpoint_host
        return f"{host}:{self.endpoint_port}"


@dataclass(frozen=True)
class Actor:
    """Who asks, within which organization."""

    organization_id: str
    member_id: str
    email: str
    role: Role

    def must_change(self) -> None:
        """Raises `Forbidden` unless this member may change machines and policy."""
        if not self.role.may_change:
            raise Forbidden(f"A {self.role.value} may look, not change.")

    def must_own(self) -> None:
        """Raises `Forbidden` unless this member owns the organization."""
        if self.role is not Role.OWNER:
            raise Forbidden("Only an owner may do this.")


@dataclass
class Change:
    """An open change: the transaction, and what the audit trail will say of it."""

    transaction: Connection
    organization: Organization
    action: str = ""
    detail: dict[str, Any] | None = None

    def note(self, action: str, **detail: Any) -> None:
        """What happened, for the audit trail; secrets never belong here."""
        self.action, self.detail = action, detail


@contextmanager
def changing(workplace: Workplace, actor: Actor) -> Iterator[Change]:
    """A change of one organization that is enforced and stored, or neither.

    The data plane takes the change while the transaction is still open: what it refuses is rolled back, and what the
    store then fails to keep is taken back from the data plane.

    Raises:
        NotEnforced: the data plane could not take it.
        NotFound: the organization is gone.
    """
    taken_back: Desired | None = None
    try:
        with workplace.store.write() as transaction:
            organizations.lock(transaction, actor.organization_id)
            organization = organizations.find(transaction, actor.organization_id)
            before = organizations.desired(transaction, actor.organization_id)
            if organization is None or before is None:
                raise NotFound("This organization does not exist any more.")
            change = Change(transaction, organization)
            yield change
            if change.detail is not None:
                audit.record(transaction, organization.id, actor.email, change.action, change.detail, workplace.clock())
            after = organizations.desired(transaction, actor.organization_id)
            if after != before:
                enforce(workplace, after, actor.organization_id)
                taken_back = before
    except BaseException:
        if taken_back is not None:
            log.error("the store refused what was enforced already", organization=actor.organization_id)
            with suppress(HubError):
                workplace.hub.apply(taken_back)
        raise


def enforce(workplace: Workplace, desired: Desired | None, organization_id: str) -> None:
    """The data plane has this state, or nothing of the organization where ``desired`` is None.

    Raises:
        NotEnforced: it could not be made so.
    """
    try:
        if desired is None:
            workplace.hub.remove(organization_id)
        else:
            workplace.hub.apply(desired)
    except HubError as error:
        log.error("not enforced", organization=organization_id, error=str(error))
        raise NotEnforced("The data plane could not take the change; everything is as it was before.") from error
