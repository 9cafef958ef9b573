"""Machines: add, rename, disable, rotate, remove."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from ipaddress import AddressValueError, IPv4Address

from appliance.model.configuration import Configuration
from appliance.model.desired import Peer
from appliance.model.errors import Conflict, Invalid, NotFound
from appliance.model.ids import new_id
from appliance.model.keys import check_public_key, new_key_pair
from appliance.model.names import check_name, check_new_group
from appliance.model.organization import Machine, Organization
from appliance.model.policy import Selector, SelectorKind
from appliance.model.verdict import ConnectionEnd
from appliance.service import addresses, expectations, file_names, machine_bounds, organizations, pages, policy_trail
from appliance.service.actor import Actor
from appliance.service.changes import OpenChange, carry_out
from appliance.service.context import Context
from appliance.service.machine_versions import Condition, check_seen, differences
from appliance.service.observed import ObservedMachine, observed
from appliance.service.policy_saves import store_policy
from appliance.store import machines


@dataclass(frozen=True)
class IssuedMachine:
    """A machine with its configuration, whose private key can't be shown again."""

    machine: Machine
    configuration: Configuration


def add(
    context: Context,
    actor: Actor,
    *,
    name: str,
    groups: Iterable[str] = (),
    public_key: str | None = None,
    force: bool = False,
) -> IssuedMachine:
    """Add a machine at the lowest free address (`addresses.allocate`); it can connect when this returns.

    Args:
        public_key: None to create the key pair in this process, which keeps no private key.
        force: True to break expectations of the policy.

    Raises:
        Invalid, Conflict: the input is invalid, or another machine has the name or key.
        ExpectationBroken: it would break expectations, and ``force`` is False.
        PlanLimit: the plan covers no further machine.
        NoRoom: the store's disk is nearly full.
    """
    actor.must_change()
    context.room.check()
    checked_name, checked_groups = check_name(name), machine_bounds.check_groups(groups)
    for group in checked_groups:
        check_new_group(group)
    private, public = _keys(public_key)
    machine_id, now = new_id(), context.clock()

    def edit(change: OpenChange) -> IssuedMachine:
        organization = change.organization
        machine_bounds.check_another(change.organization, change.machine_count)
        _check_not_hub(organization, public)
        machine = Machine(
            id=machine_id,
            name=checked_name,
            interface=file_names.allocate(change, machine_id, checked_name),
            address=addresses.allocate(change, now),
            public_key=public,
            groups=checked_groups,
            created_at=now,
        )
        machines.check_unique(change.transaction, organization.id, machine)
        broken = _broken_by(change, machine, force=force)
        change.write(lambda transaction: machines.create(transaction, organization.id, machine))
        change.after = change.before.with_peer(_peer(machine))
        change.note(
            "machine.added",
            machine=machine.id,
            name=machine.name,
            address=str(machine.address),
            public_key=public,
            groups=list(checked_groups),
            **broken,
        )
        change.made = f"/machines/{machine.id}"
        return IssuedMachine(machine, configuration_of(context, organization, machine, private))

    return carry_out(context, actor, edit)


def page(
    context: Context, actor: Actor, *, after: str | None = None, limit: int = pages.LONGEST
) -> tuple[Sequence[ObservedMachine], str | None]:
    """List a page of machines by address.

    Args:
        after: as the page before returned it.

    Returns:
        The page, and the ``after`` of the next one (None: it is the last).

    Raises:
        Invalid: ``after`` is no address.
    """
    beyond = position(after) if after else None
    with context.store.read() as transaction:
        fitting = machines.fitting_page(
            transaction, actor.organization_id, after=beyond, limit=limit, most_bytes=pages.MOST_BYTES
        )
        found, following = pages.cut(
            lambda count: machines.page_of(transaction, actor.organization_id, after=beyond, limit=count),
            min(limit, fitting),
            lambda each: str(each.address),
        )
    return observed(context, actor, found), following


def get(context: Context, actor: Actor, machine_id: str) -> ObservedMachine:
    """Load a machine with its status.

    Raises:
        NotFound: the organization has no machine of that id.
    """
    with context.store.read() as transaction:
        machine = machines.find(transaction, actor.organization_id, machine_id)
    if machine is None:
        raise _no_such(machine_id)
    return observed(context, actor, [machine])[0]


def change(
    context: Context,
    actor: Actor,
    machine_id: str,
    *,
    name: str | None = None,
    groups: Iterable[str] | None = None,
    enabled: bool | None = None,
    seen: Condition | None = None,
    force: bool = False,
) -> ObservedMachine:
    """Rename a machine, replace its groups, enable or disable it; None leaves a property as it is.

    A disabled machine has no tunnel and keeps everything else. Enabled again, it connects with its old configuration.

    Args:
        seen: tells whether it is as the caller has seen it; None for no condition.
        force: True to break expectations of the policy.

    Raises:
        PreconditionFailed: somebody else has changed it meanwhile.
        Conflict: another machine has the name.
        ExpectationBroken: other groups would break expectations, and ``force`` is False.
    """
    actor.must_change()
    checked_name = None if name is None else check_name(name)
    checked_groups = None if groups is None else machine_bounds.check_groups(groups)

    def edit(open_change: OpenChange) -> None:
        before = _find(open_change, machine_id, seen)
        name = before.name if checked_name is None else checked_name
        after = replace(
            before,
            name=name,
            interface=before.interface if name == before.name else file_names.allocate(open_change, machine_id, name),
            groups=before.groups if checked_groups is None else checked_groups,
            enabled=before.enabled if enabled is None else enabled,
        )
        for group in set(after.groups).difference(before.groups):
            check_new_group(group)
        broken = {} if after.groups == before.groups else _broken_by(open_change, after, force=force)
        _replace(open_change, after)
        open_change.note("machine.changed", machine=machine_id, name=after.name, **differences(before, after), **broken)

    carry_out(context, actor, edit)
    return get(context, actor, machine_id)


def configured(context: Context, actor: Actor, machine_id: str) -> IssuedMachine:
    """Make a machine's configuration, with a placeholder for the private key.

    Raises:
        NotFound: the organization has no machine of that id, or was removed.
    """
    machine = get(context, actor, machine_id).machine
    return IssuedMachine(machine, configuration_of(context, organizations.get(context, actor), machine, None))


def rotate(
    context: Context,
    actor: Actor,
    machine_id: str,
    *,
    public_key: str | None = None,
    seen: Condition | None = None,
) -> IssuedMachine:
    """Replace a machine's key; the old one is refused when this returns.

    Args:
        public_key: None to create the key pair in this process, which keeps no private key.
        seen: tells whether it is as the caller has seen it; None for no condition.

    Raises:
        PreconditionFailed: somebody else has changed it meanwhile.
        Invalid, Conflict: ``public_key`` is invalid, or in use already.
    """
    actor.must_change()
    private, public = _keys(public_key)

    def edit(open_change: OpenChange) -> IssuedMachine:
        before = _find(open_change, machine_id, seen)
        _check_not_hub(open_change.organization, public)
        if public == before.public_key:
            raise Conflict("This is the key that the machine has already.", field="public_key")
        machine = replace(before, public_key=public)
        _replace(open_change, machine)
        open_change.note(
            "machine.rotated",
            machine=machine_id,
            name=machine.name,
            public_key=public,
            previous_public_key=before.public_key,
        )
        open_change.made = f"/machines/{machine.id}"
        return IssuedMachine(machine, configuration_of(context, open_change.organization, machine, private))

    return carry_out(context, actor, edit)


def remove(context: Context, actor: Actor, machine_id: str, *, seen: Condition | None = None) -> None:
    """Remove a machine with its tunnel, and the rules and expectations that name it.

    No other expectation breaks: the rules that go are about this machine.

    Args:
        seen: tells whether it is as the caller has seen it; None for no condition.

    Raises:
        PreconditionFailed: somebody else has changed it meanwhile.
    """
    actor.must_change()

    def edit(open_change: OpenChange) -> None:
        machine = _find(open_change, machine_id, seen)
        policy, about_it = open_change.before.policy, Selector(SelectorKind.MACHINE, machine_id)
        dropped = [rule for rule in policy.rules if about_it in (rule.source, rule.destination)]
        kept = policy.without_rules({rule.id for rule in dropped})
        told = policy_trail.of_rules_in_words(open_change, removed=dropped)
        expected = expectations.drop_of_machine(open_change, machine_id)
        if dropped:
            changes = {**told, "default": kept.default.value, "rules": len(kept.rules), "machine_removed": machine.name}
            store_policy(context, actor, open_change, kept, changes)
        open_change.write(lambda transaction: machines.remove(transaction, actor.organization_id, machine_id))
        addresses.give_back(open_change, machine.address, context.clock())
        open_change.after = replace(open_change.before.without_peer(machine_id), policy=kept)
        open_change.note(
            "machine.removed",
            machine=machine_id,
            name=machine.name,
            address=str(machine.address),
            rules_removed=len(dropped),
            **told,
            **({"expectations_removed": expected} if expected else {}),
        )

    carry_out(context, actor, edit)


def _broken_by(open_change: OpenChange, machine: Machine, *, force: bool) -> dict[str, list[str]]:
    """Refuse a machine that would break expectations; returns those that a forced one breaks, for the audit trail."""
    end = ConnectionEnd(machine.id, frozenset(machine.groups))
    broken = expectations.broken_by(open_change, machine=end, force=force)
    return {"broken": broken} if broken else {}


def _replace(open_change: OpenChange, machine: Machine) -> None:
    organization_id = open_change.organization.id
    machines.check_unique(open_change.transaction, organization_id, machine)
    open_change.write(lambda transaction: machines.change(transaction, organization_id, machine))
    before = open_change.before
    open_change.after = before.with_peer(_peer(machine)) if machine.enabled else before.without_peer(machine.id)


def _peer(machine: Machine) -> Peer:
    return Peer(machine.id, machine.public_key, machine.address, frozenset(machine.groups))


def _keys(public_key: str | None) -> tuple[str | None, str]:
    if public_key is not None:
        return None, check_public_key(public_key)
    pair = new_key_pair()
    return pair.private, pair.public


def _check_not_hub(organization: Organization, public_key: str) -> None:
    if public_key == organization.hub_public_key:
        raise Invalid("This is the hub's public key, and no machine can have it.", field="public_key")


def configuration_of(
    context: Context, organization: Organization, machine: Machine, private_key: str | None
) -> Configuration:
    """Make a machine's configuration; without a private key, it has a placeholder."""
    return Configuration(
        machine=machine.name,
        organization=organization.name,
        private_key=private_key,
        address=machine.address,
        network=organization.network,
        hub_public_key=organization.hub_public_key,
        endpoint=context.endpoint_of(organization),
    )


def _find(open_change: OpenChange, machine_id: str, seen: Condition | None) -> Machine:
    machine = machines.find(open_change.transaction, open_change.organization.id, machine_id)
    if machine is None:
        raise _no_such(machine_id)
    check_seen(machine, seen)
    return machine


def _no_such(machine_id: str) -> NotFound:
    return NotFound("This organization has no machine {machine_id!r}.", machine_id=machine_id)


def position(after: str) -> IPv4Address:
    """Read a position in the list by address.

    Raises:
        Invalid: it is no address.
    """
    try:
        return IPv4Address(after)
    except AddressValueError:
        raise Invalid("This is not a position in the list of machines.", field="after") from None
