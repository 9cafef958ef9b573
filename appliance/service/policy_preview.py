"""Preview of a policy: what a save would open and close."""

from __future__ import annotations

from dataclasses import replace

from appliance.model.policy import Policy
from appliance.model.preview import Preview, compare
from appliance.model.rule_ids import with_ids_of
from appliance.service.actor import Actor
from appliance.service.changes import prepared
from appliance.service.context import Context
from appliance.service.expectations import ends_of
from appliance.service.policy_saves import check_policy, check_version
from appliance.service.standing import organization_of


def preview(context: Context, actor: Actor, policy: Policy, *, version: int | None = None) -> Preview:
    """List the connections that this policy would open and close; nothing is saved.

    Disabled machines take part as if they were enabled. What a save would refuse is refused here, too.

    Args:
        version: the version that the caller changed; None for any.

    Raises:
        Invalid: a rule names a machine that the organization does not have, or the policy is too large.
        Conflict: the policy is not at ``version``.
        NotFound: the organization is gone.
    """
    with context.store.read() as transaction:
        organization = organization_of(transaction, actor)
        change = prepared(context, transaction, organization)
        check_version(change, version)
        check_policy(change, with_ids_of(policy, change.before.policy))
        ends = ends_of(change)
    before = change.before
    replace(before, policy=policy).check_size(before, most=organization.plan.element_limit)
    return compare(before.policy, policy, ends)
