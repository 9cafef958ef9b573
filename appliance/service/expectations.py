"""Expectations of a policy: kept beside it, and protected from changes that would break them.

They are about all machines, disabled ones too, so that enabling a machine breaks none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence

from appliance.model.errors import Conflict, Invalid, NotFound, PreconditionFailed
from appliance.model.expectations import Expectation, ExpectationBroken, ExpectationState, evaluate
from appliance.model.names import check_new_group
from appliance.model.policy import Policy, SelectorKind
from appliance.model.reach import MOST_WORK
from appliance.model.sentences import Sentence, numbered, sentence
from appliance.model.verdict import ConnectionEnd
from appliance.service.actor import Actor
from appliance.service.changes import OpenChange, carry_out, prepared
from appliance.service.context import Context
from appliance.service.standing import organization_of
from appliance.store import expectations as stored
from appliance.store import machines

MOST = 200
"""Limit of an organization's expectations."""

_MOST_TOLD = 10


def get(context: Context, actor: Actor) -> list[ExpectationState]:
    """List the expectations, and tell which of them the present policy meets.

    Raises:
        NotFound: the organization is gone.
    """
    with context.store.read() as transaction:
        organization = organization_of(transaction, actor)
        change = prepared(context, transaction, organization)
        kept = stored.load(transaction, organization.id)
        ends = ends_of(change)
    return evaluate(kept, change.before.policy, ends, most_work=MOST_WORK)


def version_of(expectations: Iterable[Expectation]) -> str:
    """Make a digest that tells apart what expectations are kept, whether the policy meets them or not."""
    text = "\n".join(each.sentence for each in expectations)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def check_count(count: int) -> None:
    """Refuse too many expectations, before they are parsed, since counting is much faster.

    Raises:
        Invalid: there are more than `MOST`.
    """
    if count > MOST:
        raise Invalid("A policy has at most {most} expectations.", field="expectations", most=MOST)


def save(
    context: Context, actor: Actor, expectations: Sequence[Expectation], *, seen: Collection[str] | None = None
) -> list[ExpectationState]:
    """Replace the expectations; equal ones are kept once. The present policy need not meet them.

    Args:
        seen: versions that the caller has seen (`version_of`); None for no condition.

    Raises:
        PreconditionFailed: the expectations are at none of the versions in ``seen``.
        Invalid: there are more than `MOST`, one names a machine that the organization does not have, or they take too
            long to be checked.
    """
    actor.must_change()
    check_count(len(expectations))
    kept = list(dict.fromkeys(expectations))

    def edit(change: OpenChange) -> list[ExpectationState]:
        before = stored.load(change.transaction, change.organization.id)
        if seen is not None and version_of(before) not in seen:
            raise PreconditionFailed("The expectations were changed by someone else meanwhile.")
        states = _checked(change, kept, named=kept)
        _replace(change, before, kept)
        return states

    return carry_out(context, actor, edit)


def add(context: Context, actor: Actor, expectation: Expectation) -> None:
    """Add an expectation to those that there are, whoever changed them meanwhile. The present policy need not meet it.

    Raises:
        Conflict: it is there already.
        Invalid: there are `MOST`, it names a machine that the organization does not have, or they take too long to be
            checked.
    """
    actor.must_change()

    def edit(change: OpenChange) -> None:
        before = stored.load(change.transaction, change.organization.id)
        if expectation in before:
            raise Conflict("This expectation is there already.")
        check_count(len(before) + 1)
        kept = [*before, expectation]
        _checked(change, kept, named=[expectation])
        _replace(change, before, kept)

    carry_out(context, actor, edit)


def remove(context: Context, actor: Actor, expectation: Expectation) -> None:
    """Remove an expectation; raises `NotFound` if it is gone already."""
    actor.must_change()

    def edit(change: OpenChange) -> None:
        before = stored.load(change.transaction, change.organization.id)
        if expectation not in before:
            raise NotFound("This expectation is gone already.")
        _replace(change, before, [each for each in before if each != expectation])

    carry_out(context, actor, edit)


def ends_of(change: OpenChange) -> list[ConnectionEnd]:
    """List all machines before the change, disabled ones too, as ends of connections."""
    disabled = machines.groups_of_disabled(change.transaction, change.organization.id)
    return [
        *(ConnectionEnd(peer.id, peer.groups) for peer in change.before.peers),
        *(ConnectionEnd(machine, groups) for machine, groups in disabled.items()),
    ]


def broken_by(
    change: OpenChange, *, policy: Policy | None = None, machine: ConnectionEnd | None = None, force: bool
) -> list[str]:
    """Refuse a change that would break an expectation that holds now.

    Args:
        policy: after the change; None if it stays.
        machine: one that is new after the change, or is in other groups.
        force: True to let the change break expectations.

    Returns:
        A sentence for each expectation that a forced change breaks.

    Raises:
        ExpectationBroken: it would break some, or that takes too long to find out.
    """
    if not change.organization.expectation_count:
        return []
    before, ends = change.before.policy, ends_of(change)
    after = ends if machine is None else [*(each for each in ends if each.id != machine.id), machine]
    kept = stored.load(change.transaction, change.organization.id)
    states = evaluate(kept, before if policy is None else policy, after, most_work=MOST_WORK)
    failing = [each for each in states if not each.holds]
    if not failing:
        return []
    then = evaluate([each.expectation for each in failing], before, ends, most_work=MOST_WORK)
    # One of which that is unknown counts as held.
    known_broken = {each.expectation for each in then if each.holds is False}
    failing = [each for each in failing if each.expectation not in known_broken]
    broken = tuple(each.expectation for each in failing if each.holds is False)
    if not force:
        _refuse(broken, unknown=sum(each.holds is None for each in failing))
    return [each.sentence for each in broken]


def drop_of_machine(change: OpenChange, machine: str) -> list[str]:
    """Make a change remove the expectations that name a machine; returns a sentence for each."""
    if not change.organization.expectation_count:
        return []
    before = stored.load(change.transaction, change.organization.id)
    kept = [each for each in before if not each.names_machine(machine)]
    if len(kept) < len(before):
        change.write(lambda transaction: stored.replace(transaction, change.organization.id, kept))
    return [each.sentence for each in before if each.names_machine(machine)]


def _refuse(broken: tuple[Expectation, ...], *, unknown: int) -> None:
    if broken:
        raise ExpectationBroken(_broken_sentence(broken), broken=broken)
    if unknown:
        raise ExpectationBroken(
            numbered(
                "It takes too long to find out whether this breaks {n} expectation of the policy. Remove it; with "
                "force it is done all the same.",
                "It takes too long to find out whether this breaks one of {n} expectations of the policy. Remove some "
                "of them; with force it is done all the same.",
                unknown,
            )
        )


def _broken_sentence(broken: tuple[Expectation, ...]) -> Sentence:
    told = "; ".join(each.sentence for each in broken[:_MOST_TOLD])
    if len(broken) > _MOST_TOLD:
        return sentence(
            "This would break {count} expectations of the policy: {expectations}; and {more} more. With force it is "
            "done all the same.",
            count=len(broken),
            expectations=told,
            more=len(broken) - _MOST_TOLD,
        )
    return numbered(
        "This would break {n} expectation of the policy: {expectations}. With force it is done all the same.",
        "This would break {n} expectations of the policy: {expectations}. With force it is done all the same.",
        len(broken),
        expectations=told,
    )


def _checked(
    change: OpenChange, expectations: Sequence[Expectation], *, named: Sequence[Expectation]
) -> list[ExpectationState]:
    """Evaluate expectations under the present policy, and refuse what can't be kept.

    Args:
        named: those whose machines have to exist.
    """
    ends = ends_of(change)
    _check_ends(named, ends)
    states = evaluate(expectations, change.before.policy, ends, most_work=MOST_WORK)
    if any(each.holds is None for each in states):
        raise Invalid(
            "These expectations take too long to be checked. Name fewer machines and groups in them.",
            field="expectations",
        )
    return states


def _replace(change: OpenChange, before: Sequence[Expectation], kept: Sequence[Expectation]) -> None:
    """Make a change replace the expectations, and note it for the audit trail."""
    change.write(lambda transaction: stored.replace(transaction, change.organization.id, kept))
    changes = {
        "added": [each.sentence for each in kept if each not in before],
        "removed": [each.sentence for each in before if each not in kept],
    }
    change.note("policy.expected", count=len(kept), **{key: told for key, told in changes.items() if told})


def _check_ends(expectations: Sequence[Expectation], ends: Sequence[ConnectionEnd]) -> None:
    known = {each.id for each in ends}
    groups = {group for each in ends for group in each.groups}
    for each in expectations:
        for field, selector in (("source", each.source), ("destination", each.destination)):
            if selector.kind is SelectorKind.MACHINE and selector.name not in known:
                raise Invalid(
                    "An expectation names a machine that does not exist: {name!r}.", field=field, name=selector.name
                )
            if selector.kind is SelectorKind.GROUP and selector.name not in groups:
                check_new_group(selector.name, field=field)
