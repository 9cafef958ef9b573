"""Questions that z3 answers: is there a datagram, and are there contents of the maps, that contradict a claim?

The claims about entries are inductive: what is assumed of the maps before a datagram is what is shown of them after it.
Nothing else is assumed of their contents, and an entry that expires only makes an assumption weaker.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import z3

from harness.proof.bitvectors.logic import Condition, Number, both, either, number, opposite
from harness.proof.errors import Unmodelled
from harness.proof.front_door.claims import (
    ANSWER,
    COOKIE,
    DATA,
    DESK,
    GIVEN4,
    GIVEN6,
    INITIATION,
    INNER,
    KNOWN4,
    KNOWN6,
    OFFERS,
    SESSIONS,
    Claim,
)
from harness.proof.front_door.first_messages_formula import is_asked, is_handed_by_another, notes_differ
from harness.proof.front_door.formula import Walk
from harness.proof.front_door.sendable import can_be_sent
from harness.proof.front_door.sides import Side
from harness.proof.front_door.solving import solved
from harness.proof.front_door.statements import (
    IPV4,
    IPV6,
    LO,
    LOCAL,
    UNICAST,
    Door,
)


@dataclass(frozen=True)
class Contradiction:
    """A datagram that contradicts a claim.

    Attributes:
        model: the value of each unknown.
        walk: its way through the rules.
    """

    claim: Claim
    model: z3.ModelRef
    walk: Walk


class Questions:
    """One front door's questions.

    Args:
        desk: ports of the hub's process for known sources.

    Attributes:
        port: the UDP port that its links' messages leave from.
        steps: number of rules in the formulas.

    Raises:
        Unmodelled: nothing leaves it, or chains lead back to themselves.
    """

    def __init__(self, door: Door, desk: frozenset[int]) -> None:
        index = z3.BitVec("index", 32)
        self._inward, self._outward = _In(door, index, desk), _Out(door, index, desk)
        self.steps = len(self._inward.walk.steps) + len(self._outward.walk.steps)
        self.port = self._outward.public_port()

    def contradictions(self) -> Iterator[Contradiction]:
        """Finds a datagram for each claim that one contradicts.

        Raises:
            Unmodelled: z3 gave up.
        """
        for side in (self._inward, self._outward):
            for claim, condition in side.violations(self.port):
                asked = [*side.known(self.port), condition]
                model = solved(asked)
                if model is not None:
                    # One that can be sent says more.
                    wishes = (can_be_sent(side.datagram, is_whole=each) for each in (True, False))
                    better = filter(None, (solved([*asked, each]) for each in wishes))
                    yield Contradiction(claim, next(better, model), side.walk)


class _In(Side):
    """Datagrams that arrive, from a link of the host or from the host itself."""

    hook = "prerouting"

    def violations(self, port: int) -> Iterator[tuple[Claim, Condition]]:
        """Each claim with the condition under which it is contradicted."""
        fields, public = self.datagram.fields, number(port, 16)
        is_public = both(self.dport == public, self.is_of_its_family(), self.has_address("daddr", fields))
        # A packet that is for nobody here is forwarded or discarded, whatever its port is.
        delivered = both(self.passes, fields["fib daddr type"] != number(UNICAST, 32))
        # The hub's process hands first messages to the links over lo, and nobody else does (`Claim.HANDED`).
        is_own = both(fields["meta iif"] == number(LO, 32), self.final_dport == self.dport)
        to_link = both(delivered, self.is_in(INNER, self.final_dport), opposite(is_own))
        to_desk = both(delivered, self.is_in(DESK, self.final_dport))
        of_session, of_offer = both(self.has_first, self.is_in(SESSIONS, self.first)), self._of_offer()
        yield (
            Claim.DATA,
            both(
                to_link,
                self.is_kind(DATA),
                opposite(both(self.has_first, self.leads(SESSIONS, self.first, self.final_dport))),
                opposite(both(opposite(of_session), self._is_given())),
            ),
        )
        yield Claim.ANSWERS, both(to_link, self.is_kind(ANSWER, COOKIE), opposite(either((of_offer, self._is_given()))))
        first = both(delivered, is_public, self.is_kind(INITIATION))
        yield (
            Claim.FIRST,
            both(first, self.final_dport != public, opposite(self.is_in(DESK, self.final_dport))),
        )
        with_index = both(is_public, self.is_kind(ANSWER, COOKIE, DATA))
        yield (
            Claim.CLOSED,
            either(
                (
                    both(to_link, opposite(with_index)),
                    both(to_desk, opposite(both(is_public, self.is_kind(INITIATION)))),
                    both(delivered, is_public, opposite(self.is_kind(INITIATION, ANSWER, COOKIE, DATA))),
                )
            ),
        )
        comes = both(self.is_udp, is_public, fields["fib daddr type"] == number(LOCAL, 32))
        named = self.walk.before[SESSIONS].value[self.first]
        yield Claim.ARRIVES, both(comes, self.is_kind(DATA), of_session, self._misses(named))
        yield Claim.RESUMES, both(comes, self._of_no_session(), self._is_not_resumed())
        yield Claim.ENTRIES, self._is_changed_by_others()
        yield Claim.KEPT, both(self.is_in(SESSIONS, self.index), self.differs(SESSIONS, self.index))
        yield Claim.HANDED, notes_differ(self)
        yield Claim.OWNER, self.owner_is_lost(z3.BoolVal(val=False))
        keys = {KNOWN4: z3.BitVec("key 4", 48), KNOWN6: z3.BitVec("key 6", 128)}
        yield Claim.SOURCES, either(self.differs(name, key) for name, key in keys.items())
        yield Claim.UNTRACKED, both(to_link, opposite(self.walk.untracked))

    def _of_offer(self) -> Condition:
        """True if the receiver's index of an answer or a cookie is that of an entry which names the final port."""
        found = []
        for kind, has_index, index in ((ANSWER, self.has_second, self.second), (COOKIE, self.has_first, self.first)):
            named = either(self.leads(name, index, self.final_dport) for name in (OFFERS, SESSIONS))
            found.append(both(self.is_kind(kind), has_index, named))
        return either(found)

    def _of_no_session(self) -> Condition:
        """True if the receiver's index of a message can be read and is in no map."""
        found = []
        for kind, has_index, index, names in (
            (DATA, self.has_first, self.first, (SESSIONS,)),
            (ANSWER, self.has_second, self.second, (OFFERS, SESSIONS)),
            (COOKIE, self.has_first, self.first, (OFFERS, SESSIONS)),
        ):
            unknown = (opposite(self.is_in(name, index)) for name in names)
            found.append(both(self.is_kind(kind), has_index, *unknown))
        return either(found)

    def _sources(self) -> Iterator[tuple[Condition, str, Number]]:
        """Lists for each IP version its condition, the map that the hub's process fills, and the source as its key."""
        fields = self.datagram.fields
        for family, name, address in ((IPV4, GIVEN4, "ip saddr"), (IPV6, GIVEN6, "ip6 saddr")):
            yield fields["meta nfproto"] == number(family, 8), name, z3.Concat(fields[address], self.sport)

    def _is_given(self) -> Condition:
        """True if the hub's process says that the source was last heard by the link with the final port."""
        return either(both(is_its, self.leads(name, key, self.final_dport)) for is_its, name, key in self._sources())

    def _is_not_resumed(self) -> Condition:
        """True if the hub's process has a link for the source, and the datagram does not arrive there."""
        return either(
            both(is_its, self.is_in(name, key), self._misses(self.walk.before[name].value[key]))
            for is_its, name, key in self._sources()
        )

    def _misses(self, port: Number) -> Condition:
        """True if the datagram does not arrive at a port, which is a link's."""
        return both(self.is_in(INNER, port), opposite(both(self.walk.accepted, self.final_dport == port)))

    def _is_changed_by_others(self) -> Condition:
        index, offers = self.index, self.walk.before[OFFERS]
        answered = both(self.is_kind(ANSWER), self.has_second, self.second == index)
        ended = opposite(self.walk.after[OFFERS].there[index])
        taken = both(answered, offers.there[index], ended, self.ends_or_leads(SESSIONS, index, offers.value[index]))
        return either(
            (
                both(self.differs(SESSIONS, index), opposite(taken)),
                both(self.differs(OFFERS, index), opposite(both(answered, ended))),
            )
        )


class _Out(Side):
    """Datagrams that this host sends."""

    hook = "output"

    def public_port(self) -> int:
        """A port that links' messages leave from.

        Raises:
            Unmodelled: none leaves from another port than its link's.
        """
        leaves = both(self._from_link(), self.passes, self.final_sport != self.sport)
        model = solved([leaves])
        if model is None:
            raise Unmodelled("a front door from which nothing leaves", "output")
        return int(model.eval(self.final_sport, model_completion=True).as_long())

    def violations(self, port: int) -> Iterator[tuple[Claim, Condition]]:
        """Each claim with the condition under which it is contradicted."""
        from_link, index = self._from_link(), self.index
        yield Claim.LEAVING, both(from_link, self.passes, self.final_sport != number(port, 16))
        elsewhere = both(self.is_of_its_family(), opposite(self.has_address("saddr", self.walk.fields)))
        yield Claim.ADDRESS, both(from_link, self.passes, self.is_kind(DATA), elsewhere)
        gives_out = both(self.is_udp, self.is_in(INNER, self.sport), self.has_first, self.first == index)
        changed = []
        for name, kind in ((SESSIONS, ANSWER), (OFFERS, INITIATION)):
            own = both(gives_out, self.is_kind(kind), self.ends_or_leads(name, index, self.sport))
            changed.append(both(self.differs(name, index), opposite(own)))
        yield Claim.ENTRIES, either(changed)
        yield Claim.OWNER, self.owner_is_lost(both(gives_out, self.is_kind(INITIATION, ANSWER)))
        kept = (both(self.walk.before[name].there[index], self.differs(name, index)) for name in (SESSIONS, OFFERS))
        yield Claim.KEPT, either(kept)
        yield Claim.HANDED, is_handed_by_another(self)
        answers = either((both(from_link, self.passes, self.is_kind(ANSWER)), self.differs(SESSIONS, index)))
        yield Claim.ASKED, both(answers, opposite(is_asked(self)))
        stays = opposite(self.ends_or_leads(SESSIONS, self.first, self.sport))
        yield Claim.NEWEST, both(from_link, self.passes, self.has_first, self.is_kind(ANSWER), stays)
        yield Claim.SOURCES, self._is_known_for_another()
        yield Claim.UNTRACKED, both(from_link, self.passes, opposite(self.walk.untracked))

    def _from_link(self) -> Condition:
        """True if a link sends it: nobody else has its port, and the source is the host's own address."""
        is_own = self.datagram.fields["fib saddr type"] == number(LOCAL, 32)
        return both(self.is_udp, is_own, self.is_in(INNER, self.sport))

    def _is_known_for_another(self) -> Condition:
        fields = self.datagram.fields
        answers = both(self.is_udp, self.is_in(INNER, self.sport), self.is_kind(ANSWER))
        wrong = []
        for name, family, to in (
            (KNOWN4, IPV4, z3.Concat(fields["ip daddr"], self.dport)),
            (KNOWN6, IPV6, fields["ip6 daddr"]),
        ):
            key = z3.BitVec(f"key of {name}", to.size())
            before, after = self.walk.before[name], self.walk.after[name]
            is_own = both(answers, fields["meta nfproto"] == number(family, 8), key == to)
            others = both(before.there[key], before.value[key] != self.sport)
            kept = both(after.there[key], after.value[key] == before.value[key])
            wrong.append(both(self.differs(name, key), opposite(is_own)))
            wrong.append(both(others, opposite(kept)))
            wrong.append(both(opposite(others), opposite(self.ends_or_leads(name, key, self.sport)), is_own))
        return either(wrong)
