"""Policy: read, save, count, and answer what it does with a connection."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import structlog
from sqlalchemy import Connection

from appliance.hub.errors import HubError
from appliance.model.desired import Desired
from appliance.model.errors import Invalid, NotFound
from appliance.model.matrix import Matrix
from appliance.model.policy import Policy, Protocol, Rule, Selector, SelectorKind
from appliance.model.rule_ids import with_ids_of
from appliance.model.verdict import ConnectionEnd, ConnectionVerdict, decide
from appliance.service.actor import Actor
from appliance.service.changes import CarriedOut, OpenChange, carry_out_timed, state_of
from appliance.service.context import Context, Counts
from appliance.service.policy_saves import check_seen, check_version, write_policy
from appliance.service.readings import Reading
from appliance.service.standing import organization_of
from appliance.service.trends import Trend
from appliance.store import machines, policies
from appliance.store.policies import SavedPolicy

log = structlog.get_logger()


def get(context: Context, actor: Actor) -> SavedPolicy:
    """The organization's policy.

    Raises:
        NotFound: the organization is gone.
    """
    with context.store.read() as transaction:
        version, known = _known(context, transaction, actor)
        return policies.load(transaction, actor.organization_id) if known is None else SavedPolicy(known, version)


def matrix(context: Context, actor: Actor) -> tuple[int, Matrix]:
    """The policy's version, and its matrix for the enabled machines: disabled ones open nothing, and nothing to them.

    Raises:
        NotFound: the organization is gone.
        TooMuchWork: the policy is too large for a matrix.
    """
    version, state = enforced(context, actor)
    ends = [ConnectionEnd(peer.id, peer.groups) for peer in state.peers]
    return version, Matrix(state.policy, ends)


def enforced(context: Context, actor: Actor) -> tuple[int, Desired]:
    """The policy's version, and the state that the data plane enforces: the policy and the enabled machines.

    Raises:
        NotFound: the organization is gone.
    """
    with context.store.read() as transaction:
        organization = organization_of(transaction, actor)
        return organization.policy_version, state_of(context, transaction, organization)


def names_of(context: Context, actor: Actor, ids: Collection[str]) -> Mapping[str, str]:
    """Names of the organization's machines of these ids, by id."""
    with context.store.read() as transaction:
        return machines.names_of(transaction, actor.organization_id, ids)


def all_ends(context: Context, actor: Actor) -> list[tuple[str, str, tuple[str, ...]]]:
    """Id, name and groups of each machine, disabled ones too: what rules can name."""
    with context.store.read() as transaction:
        return machines.all_named(transaction, actor.organization_id)


def latest(context: Context, actor: Actor) -> tuple[int, Policy | None]:
    """The number of the policy's last save, and the policy, or None if its rules would have to be read.

    Raises:
        NotFound: the organization is gone.
    """
    with context.store.read() as transaction:
        return _known(context, transaction, actor)


def _known(context: Context, transaction: Connection, actor: Actor) -> tuple[int, Policy | None]:
    organization = organization_of(transaction, actor)
    kept = context.states.get(organization.id, organization.revision)
    return organization.policy_version, None if kept is None else kept.policy


def save(
    context: Context,
    actor: Actor,
    policy: Policy,
    *,
    version: int | None = None,
    seen: Collection[int] | None = None,
    force: bool = False,
) -> CarriedOut[SavedPolicy]:
    """Replace the policy; the new one is enforced when this returns.

    Args:
        version: the version that the caller changed; None for any.
        seen: versions that the caller has seen; None for no condition.
        force: True to break expectations.

    Raises:
        Invalid: a rule names a machine that the organization does not have, or there are too many rules.
        PreconditionFailed: the policy is at none of the versions in ``seen``.
        Conflict: the policy is not at ``version``.
        ExpectationBroken: it would break expectations (`expectations.broken_by`), and ``force`` is False.
        NotEnforced: the kernel could not take it; the old policy stays in force.
    """
    actor.must_change()

    def edit(change: OpenChange) -> SavedPolicy:
        check_seen(change, seen)
        check_version(change, version)
        return write_policy(context, actor, change, with_ids_of(policy, change.before.policy), force=force)

    return carry_out_timed(context, actor, edit)


def add_rule(
    context: Context, actor: Actor, rule: Rule, *, seen: Collection[int] | None = None, force: bool = False
) -> CarriedOut[Rule]:
    """Add a rule; takes ``seen`` and ``force``, and raises as `save` does."""
    actor.must_change()

    def edit(change: OpenChange) -> Rule:
        check_seen(change, seen)
        write_policy(context, actor, change, change.before.policy.with_rules([rule]), force=force)
        return rule

    return carry_out_timed(context, actor, edit)


def change_rule(
    context: Context,
    actor: Actor,
    rule_id: str,
    parts: Mapping[str, str],
    *,
    seen: Collection[int] | None = None,
    force: bool = False,
) -> CarriedOut[Rule]:
    """Change parts of a rule.

    It takes ``seen`` and ``force``, and raises as `save` does; NotFound where there is no such rule.

    It keeps its id, and moves to the end of the policy: the order changes no verdict, and only it is written then.

    Args:
        parts: arguments of `Rule.parse`; parts that are absent stay as they are.
    """
    actor.must_change()

    def edit(change: OpenChange) -> Rule:
        check_seen(change, seen)
        before = change.before.policy
        found = before.by_id.get(rule_id)
        if found is None:
            raise _no_rule(rule_id)
        changed = replace(Rule.parse(**{**found.parts, **parts}), id=rule_id)
        write_policy(context, actor, change, before.changed({rule_id}, [changed]), force=force)
        return changed

    return carry_out_timed(context, actor, edit)


def remove_rule(
    context: Context, actor: Actor, rule_id: str, *, seen: Collection[int] | None = None, force: bool = False
) -> CarriedOut[None]:
    """Remove a rule.

    It takes ``seen`` and ``force``, and raises as `save` does; NotFound where there is no such rule.
    """
    actor.must_change()

    def edit(change: OpenChange) -> None:
        check_seen(change, seen)
        before = change.before.policy
        after = before.without_rules({rule_id})
        if after is before:
            raise _no_rule(rule_id)
        write_policy(context, actor, change, after, force=force)

    return carry_out_timed(context, actor, edit)


def counters(context: Context, actor: Actor) -> Reading[Counts]:
    """Read the packet counts by rule id, and the default's by None; simultaneous callers share one reading.

    A count begins when the rule is created, or when the kernel's rules had to be created again.

    Returns:
        An empty mapping if the hub does not answer.
    """

    def read() -> Counts:
        try:
            found = context.hub.counters(actor.organization_id)
        except HubError as error:
            log.warning("the hub's counters can't be read", organization=actor.organization_id, error=str(error))
            return {}
        return {each.rule: each for each in found}

    return context.counts.get(actor.organization_id, read)


def counters_and_trend(context: Context, actor: Actor) -> tuple[Counts, Trend | None]:
    """Read the packet counts as `counters` does, with what is new since an earlier call of this; None if unknown."""
    counts = counters(context, actor).value
    return counts, context.trends.look(actor.organization_id, counts, context.clock())


def check(
    context: Context,
    actor: Actor,
    *,
    source: str,
    destination: str,
    protocol: Protocol = Protocol.ANY,
    port: int | None = None,
) -> ConnectionVerdict:
    """Evaluate the policy for a connection between two machines, without any traffic.

    Args:
        source: the client, ``machine:<id>`` or its id.
        destination: the server, in the same form.
        port: the server's; None for every port.

    Raises:
        Invalid: an end is not a machine of the organization, or the port is invalid or the protocol has none.
    """
    protocol.check_port(port)
    with context.store.read() as transaction:
        saved = policies.load(transaction, actor.organization_id)
        parties = [
            _party(transaction, actor.organization_id, text, field)
            for text, field in ((source, "source"), (destination, "destination"))
        ]
    return decide(saved.policy, parties[0], parties[1], protocol, port)


def _no_rule(rule_id: str) -> NotFound:
    return NotFound("This organization has no rule {rule_id!r}.", rule_id=rule_id)


def _party(transaction: Connection, organization_id: str, text: str, field: str) -> ConnectionEnd:
    selector = Selector.parse(text if ":" in text else f"machine:{text}", field=field)
    machine = None
    if selector.kind is SelectorKind.MACHINE:
        machine = machines.find(transaction, organization_id, selector.name)
    if machine is None:
        raise Invalid("The {field} is not a machine of this organization: machine:<id>.", field=field)
    return ConnectionEnd(machine.id, frozenset(machine.groups))
