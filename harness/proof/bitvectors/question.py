"""The question that z3 answers: is there a packet, in a state of connection tracking, that has a wrong fate?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import z3

from harness.proof.bitvectors.logic import Condition, both, lies_in, opposite
from harness.proof.bitvectors.packet import Packet, invariants, unknown, without_connection
from harness.proof.bitvectors.sendable import can_be_sent
from harness.proof.bitvectors.wanted import wanted
from harness.proof.bitvectors.way import Ends, Walk
from harness.proof.errors import Unmodelled
from harness.proof.policy import Policy
from harness.proof.routing import Routing
from harness.proof.ruleset import Ruleset


@dataclass(frozen=True)
class Wrong:
    """A kind of wrong fate, and the condition under which a packet has it."""

    fate: str
    wanted: str
    condition: Condition


@dataclass(frozen=True)
class Found:
    """A packet with a wrong fate.

    Attributes:
        steps: rules that it meets.
        model: the value of each unknown.
        is_beyond_rate: it comes beyond a rate.
        is_untracked: ``notrack`` keeps it from connection tracking.
    """

    wrong: Wrong
    steps: tuple[str, ...]
    packet: Packet
    model: z3.ModelRef
    is_beyond_rate: bool
    is_untracked: bool


class Question:
    """One namespace beside a policy.

    Args:
        links: indexes of the links that packets arrive by.
        link: the one behind which the machines are.

    Raises:
        Unmodelled: an expression has no meaning here.
    """

    def __init__(self, ruleset: Ruleset, routing: Routing, policy: Policy, links: Iterable[int], link: int) -> None:
        self.packet = unknown()
        self.ends = Walk(ruleset, routing, self.packet).ends()
        self._policy = policy
        self._link = link
        without = self.ends.without_tracking
        known = [*invariants(self.packet, links), without_connection(self.packet, without)]
        self.known = [each.condition for each in known]
        self._can_be_sent = can_be_sent(self.packet, without)

    def answers(self) -> Iterator[Found]:
        """Finds a packet for each kind of wrong fate that one has.

        Raises:
            Unmodelled: z3 gave up.
        """
        cases = list(self._cases())
        for wrong in self._wrongs():
            model = solve([*self.known, wrong.condition], cases)
            if model is not None:
                # One that can be sent says more.
                model = solve([*self.known, wrong.condition, self._can_be_sent]) or model
                steps = tuple(_met(self.ends, model))
                is_untracked = _holds(self.ends.without_tracking, model)
                yield Found(wrong, steps, self.packet, model, _is_beyond_rate(self.ends, model), is_untracked)

    def _cases(self) -> Iterator[list[Condition]]:
        """Cases of which each packet is in one: the machine that opened its connection, or none.

        A connection's opener decides about its class, and with it about half of each key. What z3 learns about one
        case helps with the next. With many groups all cases take less time than the question as a whole, which may have
        no answer; with few groups they take somewhat more.
        """
        opener = self.packet.connection.original.source
        ends = [lies_in(opener, (int(machine.address),) * 2) for machine in self._policy.machines]
        yield from ([end] for end in ends)
        yield list(map(opposite, ends))

    def _wrongs(self) -> Iterator[Wrong]:
        ends, link = self.ends, (self._link, self._link)
        forwarded, delivered, dropped = ends.forwarded, ends.delivered, ends.dropped
        want = wanted(self._policy, self.packet, ends.without_tracking)
        from_machine = lies_in(self.packet.link, link)
        to_machine = lies_in(forwarded.metadata.link_out, link)
        fitting = both(from_machine, to_machine)
        yield Wrong("forwarded", "dropped: no machine is there", both(forwarded.here, opposite(fitting)))
        denied = both(fitting, opposite(want.may_pass))
        yield Wrong("forwarded", "dropped: the policy denies it", both(forwarded.here, denied))
        no_ping = opposite(both(from_machine, want.may_ping))
        yield Wrong("delivered to the hub", "not delivered: it is no ping of the hub", both(delivered.here, no_ping))
        # Beyond a rate or a bound, what opens a connection is refused.
        connection = self.packet.connection
        opens = both(connection.is_in("new"), opposite(connection.has("confirmed")))
        lost = both(dropped.here, opposite(both(dropped.is_limited, opens)))
        for here, fate in ((delivered.here, "delivered to the hub"), (lost, "dropped")):
            yield Wrong(fate, "forwarded: the policy allows it", both(here, from_machine, want.has_to_pass))
        wanted_here = "delivered: machines may always ping the hub"
        yield Wrong("dropped", wanted_here, both(lost, from_machine, want.has_to_ping))


def solve(conditions: Iterable[Condition], cases: Iterable[Iterable[Condition]] = ((),)) -> z3.ModelRef | None:
    """Values of all unknowns that meet these conditions; None if there are none.

    Args:
        cases: further conditions, of which those of one case have to be met.

    Raises:
        Unmodelled: z3 gave up.
    """
    solver = z3.SolverFor("QF_BV")
    solver.add(*conditions)
    for case in cases:
        result = solver.check(*case)
        if result == z3.unknown:
            raise Unmodelled(f"a question that z3 does not answer ({solver.reason_unknown()})", "proof")
        if result == z3.sat:
            return solver.model()
    return None


def _is_beyond_rate(ends: Ends, model: z3.ModelRef) -> bool:
    come = (both(end.here, end.is_limited) for end in (ends.forwarded, ends.delivered, ends.dropped))
    return any(_holds(each, model) for each in come)


def _holds(condition: Condition, model: z3.ModelRef) -> bool:
    return bool(z3.is_true(model.eval(condition, model_completion=True)))


def _met(ends: Ends, model: z3.ModelRef) -> Iterator[str]:
    for step in ends.steps:
        if _holds(step.here, model):
            yield step.where
