"""Connection tracking as a step: packets become packets of a flow, in every way that the kernel's invariants allow."""

from __future__ import annotations

from collections.abc import Iterator

from harness.proof.classes import PacketClass
from harness.proof.fields import ERRORS, FORWARD, ICMP, RELATED, REPLIES, REQUESTS, Flow, Variable, addresses, set_of
from harness.proof.space import Space


def states(packets: PacketClass, space: Space) -> Iterator[PacketClass]:
    """All states that connection tracking can give packets which it has not seen yet."""
    if packets.sets[Variable.FLOW] == 1 << Flow.UNTRACKED:
        yield packets
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


def without_tracking(packets: PacketClass) -> PacketClass:
    """Packets after ``notrack``."""
    # Later, a packet has what it has (nft_notrack_eval).
    is_early = packets.sets[Variable.FLOW] == 1 << Flow.UNSEEN
    return packets.with_set(Variable.FLOW, 1 << Flow.UNTRACKED) if is_early else packets
