"""Shards, and the fence that keeps a former owner from writing.

Each owner of a shard has a token greater than any before (`appliance.cluster`). The shard's row has that of the latest
owner that has begun, and every write for the shard checks in its own transaction that the row has no greater one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, insert, select, update

from appliance.model.errors import Unavailable
from appliance.model.hosts import authority
from appliance.model.sentences import sentence
from appliance.store import schema

_table = schema.shards
_organizations = schema.organizations
_FENCED = sentence("Another hub has taken over your organization's network; nothing was changed. Try again.")
_RETRY_AFTER_S = 1
_OF_ID = _table.c.id == bindparam("shard")
_EMPTIEST = (
    select(_table.c.id)
    .outerjoin(_organizations, _organizations.c.shard == _table.c.id)
    .group_by(_table.c.id)
    .order_by(func.count(_organizations.c.id), _table.c.id)
    .limit(1)
)
# The lock keeps the next owner from beginning until this transaction has ended.
_CHECK = select(_table.c.fence).where(_OF_ID).with_for_update(read=True)
_RAISE = update(_table).where(_OF_ID, _table.c.fence <= bindparam("token")).values(fence=bindparam("token"))


@dataclass(frozen=True)
class Shard:
    """A public address with the organizations whose configurations name it.

    Attributes:
        id: of the form of an instance's id.
        address: its IPv4 or IPv6 address.
        port: its UDP port.
    """

    id: str
    address: str
    port: int

    @property
    def endpoint(self) -> str:
        """``host:port`` as configurations name it."""
        return authority(self.address, self.port)


@dataclass(frozen=True)
class Fence:
    """Right of one owner of a shard to write for it.

    Attributes:
        shard: id of the shard.
        token: the owner's.
    """

    shard: str
    token: int


NOBODY = -1
"""Token of a hub that owns nothing yet: every write with it is refused."""


class Fenced(Unavailable):
    """Another hub owns the organization's shard by now, so this change of its former owner is refused."""


def create(transaction: Connection, shard: Shard) -> None:
    """Store a new shard.

    Raises:
        IntegrityError: its id, or its address and port, are another's.
    """
    transaction.execute(insert(_table).values(id=shard.id, address=shard.address, port=shard.port))


def find_all(transaction: Connection) -> Sequence[Shard]:
    """All shards, by id."""
    rows = transaction.execute(select(_table).order_by(_table.c.id))
    return [Shard(row.id, row.address, row.port) for row in rows]


def emptiest(transaction: Connection) -> str | None:
    """Shard with the fewest organizations, which a new one is put into; None where there is one hub."""
    return transaction.execute(_EMPTIEST).scalar_one_or_none()


def sizes(transaction: Connection) -> dict[str, int]:
    """Numbers of organizations by shard; a shard without any is left out."""
    query = select(_organizations.c.shard, func.count()).where(_organizations.c.shard.is_not(None))
    rows = transaction.execute(query.group_by(_organizations.c.shard))
    return {row[0]: row[1] for row in rows}


def begin(transaction: Connection, fence: Fence) -> None:
    """Make this owner the latest one: what an earlier one has not committed yet is refused.

    Raises:
        Fenced: there has been a later owner, or the shard is gone.
    """
    if transaction.execute(_RAISE, {"shard": fence.shard, "token": fence.token}).rowcount == 0:
        raise Fenced(_FENCED, retry_after=_RETRY_AFTER_S)


def check(transaction: Connection, fence: Fence) -> None:
    """Check that there has been no later owner, and keep it so until the transaction ends.

    Raises:
        Fenced: there has been one, or the shard is gone.
    """
    latest = transaction.execute(_CHECK, {"shard": fence.shard}).scalar_one_or_none()
    if latest is None or latest > fence.token:
        raise Fenced(_FENCED, retry_after=_RETRY_AFTER_S)
