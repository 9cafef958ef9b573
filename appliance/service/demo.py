"""Demonstration: an organization of the service's own, whose rules strangers may flip.

It has no members, so nobody signs in to it, and its id is fixed, so that a start finds what a killed service has left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from appliance.model.addresses import DEFAULT_NETWORK
from appliance.model.demo import MACHINES, NAME, ORGANIZATION, STREAMS
from appliance.model.errors import NotFound
from appliance.model.organization import Plan
from appliance.model.policy import Action, Policy, Rule, Selector, SelectorKind
from appliance.model.port_ranges import PortRange
from appliance.service import deletion, machines, policy
from appliance.service.actor import Actor
from appliance.service.changes import clear
from appliance.service.context import Context
from appliance.service.founding import founded
from appliance.service.machines import IssuedMachine
from appliance.store import Store, organizations


def found(context: Context) -> Sequence[IssuedMachine]:
    """Create the organization with its machines and rules; one that is there already is removed first.

    Args:
        context: its endpoint is the one in the machines' configurations.

    Raises:
        NotEnforced: the data plane could not be created.
    """
    remove(context)
    with (
        founded(context, ORGANIZATION, name=NAME, network=DEFAULT_NETWORK, plan=Plan.PAID),
        context.store.write() as transaction,
    ):
        organizations.activate(transaction, ORGANIZATION)
    actor = _actor()
    issued = [machines.add(context, actor, name=name) for name in MACHINES]
    ids = {each.machine.name: each.machine.id for each in issued}
    policy.save(context, actor, Policy(Action.DENY, tuple(_rules(ids))))
    return issued


def _rules(ids: Mapping[str, str]) -> list[Rule]:
    return [
        Rule(
            id=stream.rule,
            action=Action.ALLOW,
            source=Selector(SelectorKind.MACHINE, ids[stream.source]),
            destination=Selector(SelectorKind.MACHINE, ids[stream.destination]),
            protocol=stream.protocol,
            ports=(PortRange(stream.port, stream.port),),
        )
        for stream in STREAMS
    ]


def remove(context: Context) -> None:
    """Delete the organization, if there is one.

    Raises:
        NotEnforced, Unavailable: the data plane or the store failed; the text says whether the deletion goes on.
    """
    try:
        deletion.delete_by_service(context, ORGANIZATION, check=lambda _transaction, _doomed: None)
    except NotFound:
        # A start that was killed half-way has left an organization that is not active.
        forget(context.store)
        clear(context, ORGANIZATION)


def forget(store: Store) -> None:
    """Remove the rows that a killed service has left, while no hub runs."""
    with store.write() as transaction:
        # Each start asks; a removal looks into every table.
        if organizations.revision(transaction, ORGANIZATION) is not None:
            organizations.remove(transaction, ORGANIZATION)


def flip(context: Context, rule_id: str, action: str) -> float | None:
    """Make a rule allow or deny its stream; it is enforced when this returns.

    Args:
        rule_id: of a stream's rule.
        action: ``allow`` or ``deny``.

    Returns:
        The seconds from the call of the hub to its answer that the kernel enforces the change; None if the rule was so.

    Raises:
        Invalid: the action is neither.
        NotFound: no stream has such a rule, or there is no demonstration.
        NotEnforced: the kernel could not take it; the rule is as before.
    """
    wanted = Action.parse(action, field="action")
    if actions(context).get(rule_id) is wanted:
        return None
    return policy.change_rule(context, _actor(), rule_id, {"action": wanted.value}).enforced_s


def actions(context: Context) -> Mapping[str, Action]:
    """Read the actions of the streams' rules, by the rules' ids.

    Raises:
        NotFound: there is no demonstration.
    """
    return {rule.id: rule.action for rule in policy.get(context, _actor()).policy.rules}


def _actor() -> Actor:
    return Actor.operator(ORGANIZATION)
