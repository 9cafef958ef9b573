"""Proof of the front door on a service's host, beside the ports of its organizations' links."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING

from harness.proof import Proof, Unmodelled, read_ways
from harness.proof.front_door import (
    GATE_CLAIM,
    Claim,
    DoorReading,
    door_kinds,
    prove_door,
    read_door,
    wrong_gate,
    wrong_links,
)
from harness.proof.replay.errors import Unreplayable
from harness.proof.words import Counterexample
from harness.world.organizations import Command, Organization, Unavailable
from harness.world.proving import ProofOptions, engine_runs, namespace_of
from reports.certificates import MOST_KINDS, MOST_WRONG, DoorCertificate
from reports.texts import clipped

if TYPE_CHECKING:
    from harness.proof.front_door.replay.comparing import DoorComparison
    from harness.proof.replay.capturing import Shown


@dataclass(frozen=True)
class DoorProven:
    """Proof of a front door.

    Attributes:
        table: name of its nftables table.
        proofs: one of each engine; they agree.
        strays: ports that lead elsewhere than to an organization's link, and what a lease's gate does wrong, in words.
        kinds: kinds of statements and expressions that the rules are made of; each has a meaning in the proof.
        links, rules: their numbers.
        shown: counterexamples as real datagrams, in their order; none if this was not asked for.
        compared: computed fates beside those of real datagrams; None if this was not asked for.
        control: the same beside a wrong meaning of the rules; None if this was not asked for.
        has_gate: a lease's gate stands before it.
    """

    table: str
    proofs: tuple[Proof, ...]
    strays: tuple[str, ...]
    kinds: tuple[str, ...]
    links: int
    rules: int
    shown: tuple[Shown, ...] = ()
    compared: DoorComparison | None = None
    control: DoorComparison | None = None
    has_gate: bool = False

    @property
    def examples(self) -> tuple[Counterexample, ...]:
        """The last engine's counterexamples: one of each claim that does not hold."""
        return tuple(self.proofs[-1].counterexamples)

    @property
    def wrong(self) -> tuple[str, ...]:
        """Evidence against the front door, in words."""
        examples = (f"{each.packet}, {each.state}: not so: {each.wanted}" for each in self.examples)
        shown = (f"; {each.says}" for each in self.shown)
        return (*self.strays, *map("".join, zip_longest(examples, shown, fillvalue="")))

    @property
    def certificate(self) -> DoorCertificate:
        """This proof as an exhibit of a transcript."""
        first = self.proofs[0]
        return DoorCertificate(
            name=clipped(self.table),
            links=self.links,
            rules=self.rules,
            ruleset=first.ruleset,
            kernel=clipped(first.kernel),
            engines=engine_runs(self.proofs),
            claims=[*(each.value for each in Claim), *([GATE_CLAIM] if self.has_gate else [])],
            kinds=list(map(clipped, self.kinds[:MOST_KINDS])),
            wrong=list(map(clipped, self.wrong[:MOST_WRONG])),
        )


_DEFAULTS = ProofOptions()


def prove_front_door(
    organizations: Iterable[Organization],
    run: Command,
    *,
    are_all: bool,
    options: ProofOptions = _DEFAULTS,
    most: int | None = None,
) -> DoorProven:
    """Proves the front door of a service's host.

    Args:
        are_all: the service has no other organizations, so that no other port may be led to.
        options: captures, seed and control count here.
        most: number of classes of which a datagram is sent, at most; None is all.

    Raises:
        Unavailable: it can't be read, or it has parts without a meaning.
        Disagreement: one engine proves what another one refutes.
    """
    try:
        reading = read_door(lambda *words: run(list(words)))
        links = {each.name: _port(each, run) for each in organizations}
        door = reading.parsed()
        proofs = prove_door(reading)
        wrong = tuple(wrong_gate(reading))
    except Unmodelled as error:
        raise Unavailable(str(error)) from error
    strays = (*wrong_links(reading, links, are_all=are_all), *wrong)
    rules = sum(len(chain.rules) for chain in door.chains.values())
    kinds, has_gate = door_kinds(door), reading.gate is not None
    proven = DoorProven(reading.table, proofs, strays, kinds, len(reading.inner), rules, has_gate=has_gate)
    try:
        return _with_datagrams(proven, reading, options, most)
    except (Unmodelled, Unreplayable) as error:
        raise Unavailable("; ".join((*strays, str(error)))) from error


def _with_datagrams(proven: DoorProven, reading: DoorReading, options: ProofOptions, most: int | None) -> DoorProven:
    """Adds what real datagrams show."""
    if options.captures is not None and proven.examples:
        # scapy takes half a second to load, and most proofs send nothing.
        from harness.proof.front_door.replay.showing import show_door

        proven = replace(proven, shown=tuple(show_door(reading, proven.examples, options.captures, "front-door")))
    if options.seed is not None:
        from harness.proof.front_door.replay.comparing import compare_door, compare_door_wrongly

        control = compare_door_wrongly(reading, options.seed) if options.control else None
        proven = replace(proven, compared=compare_door(reading, options.seed, most), control=control)
    return proven


def _port(organization: Organization, run: Command) -> int:
    """UDP port of an organization's WireGuard link."""
    namespace = namespace_of(organization.id, run)

    def inside(*words: str) -> str:
        return run(["ip", "netns", "exec", namespace, *words])

    links = [*read_ways(inside).peers]
    if len(links) != 1:
        raise Unavailable(f"The namespace {namespace} has {len(links)} WireGuard links.")
    return int(inside("wg", "show", links[0], "listen-port"))
