"""People with an account, found by e-mail address."""

from __future__ import annotations

from sqlalchemy import Connection

from appliance.model.emails import check_email
from appliance.model.errors import NotFound
from appliance.model.organization import Member
from appliance.store import organizations, people


def find_locked(transaction: Connection, email: str) -> Member:
    """Find the member with this address, and lock their organization.

    Raises:
        Invalid: this is no e-mail address.
        NotFound: nobody has this address.
    """
    member = people.by_email(transaction, check_email(email))
    if member is None:
        raise unknown()
    organizations.lock_for_people(transaction, member.organization_id)
    return member


def unknown() -> NotFound:
    """Make the error for an address or an account that does not exist."""
    return NotFound("Nobody has an account with this e-mail address.")


def no_such_member() -> NotFound:
    """Make the error for a member that an organization does not have."""
    return NotFound("The organization has no such member.")
