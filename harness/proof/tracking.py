"""Connection tracking as a step: packets become packets of a flow, in every way that the kernel's invariants allow."""

from __future__ import annotations

from collections.abc import Iterator

from harness.proof.classes import PacketClass
from harness.proof.fields import (
    ERRORS,
    FORWARD,
    ICMP,
    RELATED,
    REPLIES,
    REQUESTS,
    Flow,
    Register,
    Variable,
    addresses,
    set_of,
)
from harness.proof.space import Space


def unseen(space: Space, focus: PacketClass | None) -> PacketClass:
    """All packets before connection tracking, or those that can become packets of one class."""
    sets = dict(zip(Variable, space.everything(), strict=True))
    if focus is not None:
        flow = Flow(space.of(Variable.FLOW).first(focus.sets[Variable.FLOW]))
        source, destination = addresses(flow)
        sets |= dict(zip(Variable, focus.sets, strict=True))
        sets[Variable.SOURCE], sets[Variable.DESTINATION] = focus.sets[source], focus.sets[destination]
        if flow in RELATED:
            sets[Variable.PROTOCOL] = 1 << ICMP
        if flow is Flow.REPLY:
            there, back = Variable.SOURCE_PORT, Variable.DESTINATION_PORT
            sets[there], sets[back] = focus.sets[back], focus.sets[there]
    sets[Variable.FLOW] = 1 << Flow.UNSEEN
    # No mark, no traffic class, no link to leave by.
    return PacketClass(tuple(sets[variable] for variable in Variable), (0,) * len(Register))


def tracked(packets: PacketClass, space: Space, focus: PacketClass | None) -> Iterator[PacketClass]:
    """Yields packets in every state that connection tracking can give them, or those that become packets of a class."""
    if focus is None:
        yield from states(packets, space)
        return
    wanted = list(focus.sets)
    if wanted[Variable.FLOW] == 1 << Flow.UNTRACKED_LATE:
        wanted[Variable.FLOW] = 1 << Flow.INVALID
    for each in states(packets, space):
        sets = tuple(own & others for own, others in zip(each.sets, wanted, strict=True))
        if all(sets):
            yield each._replace(sets=sets, agree=focus.agree, differ=focus.differ)


def states(packets: PacketClass, space: Space) -> Iterator[PacketClass]:
    """All states that connection tracking can give packets which it has not seen yet."""
    untracked = packets.sets[Variable.FLOW] & 1 << Flow.UNTRACKED
    if untracked:
        yield packets.with_set(Variable.FLOW, untracked)
    if packets.sets[Variable.FLOW] == untracked:
        return
    own = packets.sets
    source, destination = own[Variable.SOURCE], own[Variable.DESTINATION]
    there, back = own[Variable.SOURCE_PORT], own[Variable.DESTINATION_PORT]
    everything = space.everything()
    yield packets.with_set(Variable.FLOW, 1 << Flow.INVALID)
    protocols = own[Variable.PROTOCOL]
    exchanged = {
        Variable.SOURCE: destination,
        Variable.DESTINATION: source,
        Variable.SOURCE_PORT: back,
        Variable.DESTINATION_PORT: there,
    }
    for flow, types in (*((each, REQUESTS) for each in FORWARD), (Flow.REPLY, REPLIES)):
        ends = exchanged if flow is Flow.REPLY else {}
        for inside, some in ((protocols & ~(1 << ICMP), None), (protocols & 1 << ICMP, types)):
            of_type = own[Variable.TYPE]
            if some is not None:
                of_type &= space.of(Variable.TYPE).atoms_in(set_of(some).intervals)
            if inside and of_type:
                changed = {Variable.FLOW: 1 << flow, Variable.PROTOCOL: inside, Variable.TYPE: of_type}
                yield packets.with_sets({**changed, **ends})
    errors = own[Variable.TYPE] & space.of(Variable.TYPE).atoms_in(set_of(ERRORS).intervals)
    if not protocols & 1 << ICMP or not errors:
        return
    for flow in RELATED:
        sender, receiver = addresses(flow)
        free = {
            each: everything[each]
            for each in (
                Variable.PROTOCOL,
                Variable.SOURCE,
                Variable.DESTINATION,
                Variable.SOURCE_PORT,
                Variable.DESTINATION_PORT,
            )
        }
        changed = {Variable.FLOW: 1 << flow, Variable.TYPE: errors}
        yield packets.with_sets({**free, **changed, sender: source, receiver: destination})


_AFTER_NOTRACK = {Flow.UNSEEN: Flow.UNTRACKED, Flow.INVALID: Flow.UNTRACKED_LATE}


def without_tracking(packets: PacketClass) -> PacketClass:
    """Packets after ``notrack``, which leaves those alone that have a connection (`nft_notrack_eval`)."""
    flows = packets.sets[Variable.FLOW]
    for before, after in _AFTER_NOTRACK.items():
        if flows & 1 << before:
            flows = flows & ~(1 << before) | 1 << after
    return packets.with_set(Variable.FLOW, flows)
