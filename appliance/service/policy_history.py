"""Earlier versions of a policy, and the return to one of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import structlog

from appliance.model.errors import Conflict, Invalid, NotFound
from appliance.model.policy import Policy
from appliance.model.sentences import numbered, sentence
from appliance.service import pages
from appliance.service.actor import Actor
from appliance.service.changes import CarriedOut, OpenChange, carry_out_timed, prepared
from appliance.service.context import Context
from appliance.service.policy_saves import check_seen, unknown_machines, write_policy
from appliance.service.standing import organization_of
from appliance.store import meters, policy_history
from appliance.store.policies import SavedPolicy
from appliance.store.policy_history import PolicyVersion

log = structlog.get_logger()

_MOST_NAMED = 5
_ORGANIZATIONS = 100


def page(
    context: Context, actor: Actor, *, after: str | None = None, limit: int = pages.LONGEST
) -> tuple[Sequence[PolicyVersion], str | None]:
    """List a page of the versions that can be restored, newest first.

    The last one is the version before the oldest kept save.

    Args:
        after: as the page before returned it.

    Returns:
        The page, and the ``after`` of the next one (None: it is the last).

    Raises:
        Invalid: ``after`` is no version with a kept save.
        NotFound: the organization is gone.
    """
    with context.store.read() as transaction:
        organization = organization_of(transaction, actor)
        before = organization.policy_version + 1
        if after is not None:
            before = int(after) if after.isascii() and after.isdigit() and len(after) < 10 else 0
            if not policy_history.has(transaction, organization.id, before):
                raise Invalid("This is not a position in the history.", field="after")

        limit = max(1, min(limit, pages.LONGEST))
        fitting = policy_history.fitting_page(
            transaction, organization.id, before=before, limit=limit, most_bytes=pages.MOST_BYTES
        )
        found = policy_history.page_of(transaction, organization.id, before=before, limit=fitting + 1)
    if len(found) > fitting or len(found) == limit:
        shown = found[:fitting]
        return shown, str(shown[-1].version)
    oldest = found[-1].version if found else before
    return [*found, PolicyVersion(oldest - 1, None)], None


def at_version(context: Context, actor: Actor, version: int) -> Policy:
    """Load an earlier version of the policy. The order of its rules, which changes no verdict, may differ.

    Raises:
        NotFound: this version is not kept, or the organization is gone.
    """
    with context.store.read() as transaction:
        change = prepared(context, transaction, organization_of(transaction, actor))
        return _earlier(change, version)


def restore(
    context: Context, actor: Actor, version: int, *, seen: Collection[int] | None = None, force: bool = False
) -> CarriedOut[SavedPolicy]:
    """Save an earlier version of the policy as a new one; it is enforced when this returns.

    Args:
        seen: versions that the caller has seen; None for no condition.
        force: True to break expectations.

    Raises:
        NotFound: this version is not kept.
        Conflict: it has rules for machines that were removed since.
        ExpectationBroken: it would break expectations, and ``force`` is False.
        PreconditionFailed: the policy is at none of the versions in ``seen``.
        NotEnforced: the kernel could not take it; the present policy stays in force.
    """
    actor.must_change()

    def edit(change: OpenChange) -> SavedPolicy:
        check_seen(change, seen)
        policy = _earlier(change, version)
        _check_machines(change, policy, version)
        return write_policy(context, actor, change, policy, force=force, restored_version=version)

    return carry_out_timed(context, actor, edit)


def tidy(context: Context) -> int:
    """Remove saves that are older than audit trails are kept; returns their number."""
    oldest, removed = context.retention.oldest(context.removal_time()), 0
    while True:
        with context.store.read() as transaction:
            overdue = policy_history.overdue(transaction, oldest, _ORGANIZATIONS)
        for organization in overdue:
            with context.store.write() as transaction:
                removed += policy_history.prune(transaction, organization, oldest)
        if len(overdue) < _ORGANIZATIONS:
            break
    if removed:
        log.info("old saves of policies were removed", count=removed)
    return removed


def _earlier(change: OpenChange, version: int) -> Policy:
    organization = change.organization
    found = policy_history.earlier(
        change.transaction, organization.id, change.before.policy, organization.policy_version, version
    )
    if found is None:
        raise NotFound("Version {version} of the policy is not kept.", version=version)
    return found


def _check_machines(change: OpenChange, policy: Policy, version: int) -> None:
    missing = list(dict.fromkeys(machine for machine, _ in unknown_machines(change, policy.rules)))
    if not missing:
        return
    listed = missing[:_MOST_NAMED]
    names = meters.names_of(change.transaction, change.organization.id, listed)
    told = [f"“{names[machine]}”" if machine in names else machine for machine in listed]
    if len(missing) > len(listed):
        why = numbered(
            "Version {version} has rules for machines that were removed since: {machines}, {n} other. Nothing was "
            "restored.",
            "Version {version} has rules for machines that were removed since: {machines}, {n} others. Nothing was "
            "restored.",
            len(missing) - len(listed),
            version=version,
            machines=", ".join(told),
        )
    else:
        why = sentence(
            "Version {version} has rules for machines that were removed since: {machines}. Nothing was restored.",
            version=version,
            machines=", ".join(told),
        )
    raise Conflict(why, field="version")
