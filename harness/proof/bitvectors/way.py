"""A packet's way through hooks, chains and routes, as conditions.

Every path is taken at once: a state has the condition under which the packet is there, and what was written to it by
then. Where paths meet, states are merged into one, so the formula grows with the ruleset and not with the paths.
Source: nft(8), "CHAINS" and "VERDICT STATEMENT"; ip-rule(8), ip-route(8).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count

import z3

from harness.proof.bitvectors.expressions import Metadata, Reader
from harness.proof.bitvectors.logic import (
    FALSE,
    TRUE,
    Condition,
    both,
    chosen,
    either,
    is_false,
    lies_in,
    number,
    opposite,
)
from harness.proof.bitvectors.packet import Packet
from harness.proof.errors import Unmodelled
from harness.proof.routing import RESERVED, Routing, Way
from harness.proof.ruleset import (
    Assign,
    Chain,
    Decide,
    Limited,
    Match,
    NoTrack,
    Rule,
    Ruleset,
    Table,
    Verdict,
)

_WORD = 32
_REASSEMBLY, _TRACKING = -400, -200


@dataclass(frozen=True)
class State:
    """A place that a packet may come to.

    Attributes:
        here: the condition under which it does.
        is_limited: the condition under which it came beyond a rate.
    """

    here: Condition
    metadata: Metadata
    is_limited: Condition = FALSE

    def only(self, condition: Condition) -> State:
        """Restrict this state by a further condition."""
        return replace(self, here=both(self.here, condition))

    @property
    def is_empty(self) -> bool:
        """True if no packet comes here, as far as is plain."""
        return is_false(self.here)


@dataclass(frozen=True)
class Step:
    """A rule whose conditions a packet met, or a chain's policy."""

    where: str
    here: Condition


@dataclass(frozen=True)
class Ends:
    """Ends of a packet's way.

    Attributes:
        without_tracking: ``notrack`` kept the packet from connection tracking.
        steps: in the order in which a packet meets them.
    """

    forwarded: State
    delivered: State
    dropped: State
    without_tracking: Condition
    steps: tuple[Step, ...]


@dataclass
class _Sink:
    """States for which a base chain has a verdict."""

    accepted: list[State] = field(default_factory=list)
    dropped: list[State] = field(default_factory=list)


class Walk:
    """Follows a packet."""

    def __init__(self, ruleset: Ruleset, routing: Routing, packet: Packet) -> None:
        self._ruleset = ruleset
        self._routing = routing
        self._packet = packet
        self._steps: list[Step] = []
        self._rates = count()
        self._inside: list[str] = []

    def ends(self) -> Ends:
        """Computes the ends of the packet's way.

        Raises:
            Unmodelled: an expression has no meaning, or chains lead back to themselves.
        """
        if not self._ruleset.tracks and any(self._ruleset.statements()):
            raise Unmodelled("a ruleset that tracks no connections", "nftables")
        zero = number(0, _WORD)
        begin = State(TRUE, Metadata(zero, zero, zero, FALSE, is_seen=False))
        before, after = self._prerouting()
        dropped: list[State] = []
        early = self._hook(before, begin, dropped)
        seen = replace(early, metadata=replace(early.metadata, is_seen=True))
        passed = self._hook(after, seen, dropped)
        local, leaving = self._route(passed, dropped)
        delivered = self._hook(self._ruleset.bases("input"), local, dropped)
        priority = self._packet.later_priority
        leaving = replace(leaving, metadata=replace(leaving.metadata, priority=priority))
        leaving = self._hook(self._ruleset.bases("forward"), leaving, dropped)
        leaving = self._hook(self._ruleset.bases("postrouting"), leaving, dropped)
        without = early.metadata.not_tracked
        return Ends(leaving, delivered, merged(dropped), without, tuple(self._steps))

    def _prerouting(self) -> tuple[list[tuple[Table, Chain]], list[tuple[Table, Chain]]]:
        """Base chains of prerouting before connection tracking, and those after it."""
        before: list[tuple[Table, Chain]] = []
        after: list[tuple[Table, Chain]] = []
        for table, chain in self._ruleset.bases("prerouting"):
            priority = 0 if chain.hook is None else chain.hook.priority
            if priority <= _REASSEMBLY or priority == _TRACKING:
                raise Unmodelled(f"the priority {priority}", f"table {table}, chain {chain.name}")
            (before if priority < _TRACKING else after).append((table, chain))
        return before, after

    def _hook(self, bases: Iterable[tuple[Table, Chain]], state: State, dropped: list[State]) -> State:
        """Computes the state after all base chains of a hook have accepted."""
        for table, base in bases:
            sink = _Sink()
            left = self._chain(table, base, state, sink)
            policy = "accept" if base.hook is None else base.hook.policy
            (sink.accepted if policy == "accept" else sink.dropped).append(left)
            self._steps.append(Step(f"{table} {base.name} policy {policy}", left.here))
            dropped += sink.dropped
            state = merged(sink.accepted, state)
        return state

    def _chain(self, table: Table, chain: Chain, state: State, sink: _Sink) -> State:
        """Computes the state that returns from a chain."""
        if chain.name in self._inside:
            raise Unmodelled("a chain that leads back to itself", f"table {table}, chain {chain.name}")
        self._inside.append(chain.name)
        returned: list[State] = []
        for rule in chain.rules:
            if state.is_empty:
                break
            where = f"table {table}, chain {chain.name}, handle {rule.handle}"
            try:
                state = merged(self._rule(table, chain, rule, state, sink, returned), state)
            except Unmodelled as error:
                raise Unmodelled(error.what, where if error.where == "ruleset" else error.where) from error
        self._inside.pop()
        return merged([state, *returned], state)

    def _rule(
        self, table: Table, chain: Chain, rule: Rule, state: State, sink: _Sink, returned: list[State]
    ) -> Iterator[State]:
        """Yields the states that go on to the next rule."""
        at, name = len(self._steps), f"{table} {chain.name} handle {rule.handle}"
        reached = state.here
        for statement in rule.statements:
            if state.is_empty:
                return
            if isinstance(statement, Match):
                condition = self._reader(state).matches(statement)
                yield state.only(opposite(condition))
                state = state.only(condition)
                reached = state.here
            elif isinstance(statement, Assign):
                missing, state = self._assigned(statement, state)
                yield missing
                reached = state.here
            elif isinstance(statement, Limited):
                is_beyond = z3.Bool(f"beyond rate {next(self._rates)}")
                beyond, within = state.only(is_beyond), state.only(opposite(is_beyond))
                beyond = replace(beyond, is_limited=TRUE)
                yield within if statement.over else beyond
                state = beyond if statement.over else within
                reached = state.here
            elif isinstance(statement, NoTrack):
                state = self._without_tracking(state)
            elif isinstance(statement, Decide):
                on, state = self._decided(table, statement.verdict, state, sink, returned)
                yield on
            else:
                reached = FALSE
                states = []
                hits = self._reader(state).look_up(statement.key, statement.elements)
                yield state.only(opposite(hits.is_hit))
                for verdict, condition in hits.by_value.items():
                    if not isinstance(verdict, Verdict):
                        raise Unmodelled(f"the value {verdict} of a verdict map", "ruleset")
                    found = state.only(both(hits.is_there, condition))
                    reached = either((reached, found.here))
                    on, same = self._decided(table, verdict, found, sink, returned)
                    yield on
                    states.append(same)
                state = merged(states, state)
        self._steps.insert(at, Step(name, reached))
        yield state

    def _reader(self, state: State) -> Reader:
        return Reader(self._packet, state.metadata)

    def _assigned(self, statement: Assign, state: State) -> tuple[State, State]:
        """A state in which there is nothing to write, and one in which it is written."""
        read = self._reader(state).read(statement.value)
        value = read.value
        if value.size() != _WORD:
            raise Unmodelled(f"a register of {value.size()} bits", "ruleset")
        metadata = state.metadata
        if statement.field.name == "meta mark":
            metadata = replace(metadata, mark=value)
        elif statement.field.name == "meta priority":
            metadata = replace(metadata, priority=value)
        else:
            raise Unmodelled(f"a change of {statement.field.name}", "ruleset")
        return state.only(opposite(read.is_there)), replace(state.only(read.is_there), metadata=metadata)

    def _without_tracking(self, state: State) -> State:
        """A state after ``notrack``, which leaves alone what has a connection already."""
        marked = chosen(self._reader(state).has_connection, state.metadata.not_tracked, TRUE)
        return replace(state, metadata=replace(state.metadata, not_tracked=marked))

    def _decided(
        self, table: Table, verdict: Verdict, state: State, sink: _Sink, returned: list[State]
    ) -> tuple[State, State]:
        """After a verdict: what goes on with the next rule, and what with the same one."""
        nothing = state.only(FALSE)
        if verdict.kind == "continue":
            return nothing, state
        if verdict.kind == "jump":
            return self._chain(table, table.chains[verdict.chain], state, sink), nothing
        if verdict.kind == "goto":
            returned.append(self._chain(table, table.chains[verdict.chain], state, sink))
        elif verdict.kind == "return":
            returned.append(state)
        elif verdict.kind in ("accept", "drop"):
            (sink.accepted if verdict.kind == "accept" else sink.dropped).append(state)
        else:
            raise Unmodelled(f"the verdict {verdict.kind}", "ruleset")
        return nothing, nothing

    def _route(self, state: State, dropped: list[State]) -> tuple[State, State]:
        """Splits a state into packets for the host itself and packets that leave by a link."""
        packet, mark = self._packet, state.metadata.mark
        forged = either(lies_in(packet.source, own) for own in self._routing.own())
        dropped.append(state.only(forged))
        left = state.only(opposite(forged))
        local: list[State] = []
        leaving: list[State] = []
        for at, reserved in enumerate(RESERVED):
            met = both(lies_in(packet.source, reserved.source), lies_in(packet.destination, reserved.destination))
            found, left = left.only(met), left.only(opposite(met))
            is_known = len(reserved.ways) == 1
            is_local = z3.BoolVal(Way.LOCAL in reserved.ways) if is_known else z3.Bool(f"reserved {at} is local")
            local.append(found.only(is_local))
            dropped.append(found.only(opposite(is_local)))
        for rule in self._routing.rules:
            applies = lies_in(z3.simplify(mark & rule.mask), (rule.mark, rule.mark))
            for route in self._routing.routes.get(rule.table, ()):
                taken = both(applies, lies_in(packet.destination, route.destination))
                found = left.only(taken)
                left = left.only(opposite(taken))
                if route.way is Way.LOCAL:
                    local.append(found)
                elif route.way is Way.FORWARD and self._routing.forwards:
                    link = number(route.link, _WORD)
                    leaving.append(replace(found, metadata=replace(found.metadata, link_out=link)))
                else:
                    dropped.append(found)
        dropped.append(left)
        return merged(local, state), merged(leaving, state)


def merged(states: Iterable[State], like: State | None = None) -> State:
    """One state for several that exclude each other.

    Args:
        like: state that gives an empty result its form.
    """
    some = list(states)
    left = [each for each in some if not each.is_empty]
    if not left:
        first = like or some[0]
        return first.only(FALSE)
    result, *others = left
    for each in others:
        one, other = each.metadata, result.metadata
        metadata = Metadata(
            chosen(each.here, one.mark, other.mark),
            chosen(each.here, one.priority, other.priority),
            chosen(each.here, one.link_out, other.link_out),
            chosen(each.here, one.not_tracked, other.not_tracked),
            is_seen=one.is_seen and other.is_seen,
        )
        is_limited = chosen(each.here, each.is_limited, result.is_limited)
        result = State(either((each.here, result.here)), metadata, is_limited)
    return result
