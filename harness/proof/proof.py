"""Proof that a namespace treats every packet as a policy says, or counterexamples."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from harness.proof.atoms import Engine
from harness.proof.counterexample import counterexample
from harness.proof.errors import Unmodelled
from harness.proof.fields import Variable
from harness.proof.judgement import Judge
from harness.proof.passages import Memory
from harness.proof.policy import Policy
from harness.proof.readback import Reading
from harness.proof.routing import Routing, Way
from harness.proof.ruleset import Ruleset
from harness.proof.space import Space, space_of
from harness.proof.words import Counterexample

ENGINE = "atoms"
SHOWN = 4
"""Most counterexamples that a result has, unless more are asked for."""


@dataclass(frozen=True)
class Proof:
    """Result of one proof.

    Attributes:
        ruleset: SHA-256 of what was read back.
        kernel: release of the kernel.
        counted: number of parts that the engine made of the question (`engines.UNITS`).
        counterexamples: packets with a wrong fate, the first of them; none proves the policy.
        seconds: duration of the proof.
    """

    ruleset: str
    kernel: str
    engine: str
    counted: int
    counterexamples: Sequence[Counterexample]
    seconds: float

    @property
    def holds(self) -> bool:
        """True if no packet has a wrong fate."""
        return not self.counterexamples


def prove(reading: Reading, policy: Policy, *, most: int = SHOWN) -> Proof:
    """Compares what a namespace does to all packets with a policy.

    Args:
        most: number of counterexamples at most.

    Raises:
        Unmodelled: a part of what was read has no meaning here.
    """
    start = time.monotonic()
    asked = question(reading, policy)
    engine = Engine(asked.ruleset, asked.routing, Memory(asked.space))
    finals = engine.walk()
    found = asked.judge.differences(finals)
    examples = tuple(islice(_unlike(counterexample(each, engine, asked.space) for each in found), most))
    taken = time.monotonic() - start
    return Proof(reading.digest, reading.kernel[0], ENGINE, len(finals), examples, taken)


@dataclass(frozen=True)
class Question:
    """A namespace's rules and routes, and who knows what the policy says of packets.

    Attributes:
        hub: atoms of the hub's own address.
    """

    ruleset: Ruleset
    routing: Routing
    space: Space
    judge: Judge
    hub: int


def question(reading: Reading, policy: Policy) -> Question:
    """Parses what was read, and cuts the space of packets where it or the policy does.

    Raises:
        Unmodelled: a part of what was read has no meaning here.
    """
    ruleset, routing = reading.parsed()
    addresses = [*policy.cuts_of_addresses(), *routing.boundaries()]
    space = space_of(ruleset, outer_links(reading), addresses, policy.cuts_of_ports())
    judge = Judge(policy, space, link_of_machines(routing, reading, policy))
    hub = space.of(Variable.SOURCE).atoms_in([(int(policy.hub),) * 2])
    return Question(ruleset, routing, space, judge, hub)


def _unlike(examples: Iterable[Counterexample]) -> Iterator[Counterexample]:
    """Yields one example of each fate and trace."""
    seen = set()
    for each in examples:
        key = each.fate, each.wanted, each.trace
        if key not in seen:
            seen.add(key)
            yield each


def outer_links(reading: Reading) -> list[int]:
    """Links that packets arrive by; what ``lo`` carries comes from the host itself."""
    return [index for name, index in reading.link_indexes.items() if name != "lo"]


def link_of_machines(routing: Routing, reading: Reading, policy: Policy) -> int:
    """The link behind which the machines are: routes to the overlay network leave by no other one."""
    network = int(policy.network.network_address), int(policy.network.broadcast_address)
    covering = (
        [each for each in routes if each.destination[0] <= network[0] and network[1] <= each.destination[1]]
        for routes in routing.routes.values()
    )
    # The most specific one comes first.
    links = {routes[0].link for routes in covering if routes and routes[0].way is Way.FORWARD}
    others = outer_links(reading)
    if not links and len(others) == 1:
        return others[0]
    if len(links) != 1:
        raise Unmodelled(f"a network behind {len(links)} links", "routes")
    return links.pop()
