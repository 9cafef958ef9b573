"""Proof of organizations' policies on a service's host: what the kernel has beside what the service says."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.proof import (
    UNITS,
    FailClosed,
    Policy,
    Proof,
    Reading,
    Unmodelled,
    Ways,
    by_cost,
    fail_closed,
    kinds,
    prove_by,
    read,
    read_ways,
    strays,
)
from harness.proof.replay.errors import Unreplayable
from harness.world.organizations import Command, Organization, Unavailable, digest
from reports.certificates import MOST_KINDS, MOST_WRONG, Certificate, EngineRun
from reports.texts import clipped

if TYPE_CHECKING:
    # Tools of labs, which a proof on this host has no need of.
    from harness.proof.replay.capturing import Shown
    from harness.proof.replay.comparing import Comparison
    from harness.subject.installed import Installed


@dataclass(frozen=True)
class Proven:
    """Proof of one organization's policy.

    Attributes:
        proofs: one of each engine; they agree.
        strays: ways into or out of the namespace beside the machines' own.
        kinds: kinds of statements and expressions that the rules are made of; each has a meaning in the proof.
        damage: proof that nothing opens after deletions; None if it was not asked for.
        shown: the first engine's counterexamples as real packets, in their order; none if this was not asked for.
        opened: packets that pass after deletions as real ones, in their order; none if this was not asked for.
        compared: computed fates beside those of real packets; None if this was not asked for.
        control: the same beside a wrong meaning of the rules; None if this was not asked for.
    """

    organization: Organization
    namespace: str
    proofs: tuple[Proof, ...]
    strays: tuple[str, ...]
    kinds: tuple[str, ...]
    damage: FailClosed | None = None
    shown: tuple[Shown, ...] = ()
    opened: tuple[Shown, ...] = ()
    compared: Comparison | None = None
    control: Comparison | None = None

    @property
    def proof(self) -> Proof:
        """Proof by the engine that was asked for first."""
        return self.proofs[0]

    @property
    def wrong(self) -> tuple[str, ...]:
        """Evidence against the policy, in words."""
        examples = (
            f"{each.packet}, {each.state}: {each.fate}, not {each.wanted}" for each in self.proof.counterexamples
        )
        shown = (f"; {each.says}" for each in self.shown)
        return (*self.strays, *map("".join, zip_longest(examples, shown, fillvalue="")))

    @property
    def openings(self) -> tuple[str, ...]:
        """Deletions that open something, each with the packet that passes then, in words."""
        found = () if self.damage is None else self.damage.openings
        shown = (f"\n  {each.says}" for each in self.opened)
        return tuple(map("".join, zip_longest(map(str, found), shown, fillvalue="")))

    @property
    def certificate(self) -> Certificate:
        """This proof as an exhibit of a transcript."""
        policy = self.organization.policy
        return Certificate(
            name=clipped(self.organization.name),
            machines=len(policy.machines),
            rules=len(policy.rules),
            policy=digest(policy),
            ruleset=self.proof.ruleset,
            kernel=clipped(self.proof.kernel),
            engines=engine_runs(self.proofs),
            kinds=list(map(clipped, self.kinds[:MOST_KINDS])),
            wrong=list(map(clipped, self.wrong[:MOST_WRONG])),
        )


def engine_runs(proofs: Iterable[Proof]) -> list[EngineRun]:
    """The engines of proofs, as a certificate lists them."""
    return [EngineRun(each.engine, each.counted, UNITS[each.engine], round(each.seconds, 3)) for each in proofs]


@dataclass(frozen=True)
class Failure:
    """The reason why nothing is known of an organization."""

    organization: Organization
    reason: str


@dataclass(frozen=True)
class _Seen:
    namespace: str
    reading: Reading
    ways: Ways


Ask = Callable[[], Sequence[Organization]]
"""Asks the service for its organizations; is called before and after their namespaces are read."""


Engines = Callable[[Policy], Sequence[str]]
"""Chooses the engines that prove a policy."""


@dataclass(frozen=True)
class ProofOptions:
    """Choices for proofs.

    Attributes:
        deletions: prove that no deletion in a namespace opens anything, too.
        pairs: prove it for every two deletions.
        captures: folder for captures of counterexamples, which are sent as real packets; None sends none.
        seed: send a packet of each class through a copy of the namespace, chosen by this seed; None sends none.
        control: send some beside a wrong meaning of the rules, too.
    """

    engines: Engines = by_cost
    deletions: bool = False
    pairs: bool = False
    captures: Path | None = None
    seed: int | None = None
    control: bool = False


_DEFAULTS = ProofOptions()


def prove_policies(ask: Ask, run: Command, options: ProofOptions = _DEFAULTS) -> Iterator[Proven | Failure]:
    """Proves the policies of organizations.

    Raises:
        Unavailable: the service does not say what they are.
        Disagreement: one engine proves what another one refutes.
    """
    before = ask()
    seen = {each.id: _attempt(each, run) for each in before}
    after = {each.id: each for each in ask()}
    for each in before:
        found = seen[each.id]
        if isinstance(found, _Seen) and after.get(each.id) != each:
            found = "The policy or its machines changed while the rules were read; try again."
        yield Failure(each, found) if isinstance(found, str) else _concluded(each, found, options)


def prove_policy(organization: Callable[[], Organization], run: Command, options: ProofOptions = _DEFAULTS) -> Proven:
    """Proves the policy of one organization.

    Raises:
        Unavailable: its namespace can't be read, it has parts without a meaning, or the policy changed meanwhile.
    """
    (found,) = prove_policies(lambda: [organization()], run, options)
    if isinstance(found, Failure):
        raise Unavailable(found.reason)
    return found


def _attempt(organization: Organization, run: Command) -> _Seen | str:
    try:
        namespace = namespace_of(organization.id, run)

        def inside(*words: str) -> str:
            return run(["ip", "netns", "exec", namespace, *words])

        return _Seen(namespace, read(inside), read_ways(inside))
    except (Unavailable, Unmodelled) as error:
        return str(error)


def _concluded(organization: Organization, seen: _Seen, options: ProofOptions) -> Proven | Failure:
    found = tuple(strays(seen.ways, organization.keys))
    policy = organization.policy
    try:
        proofs = prove_by(options.engines(policy), seen.reading, policy)
        damage = fail_closed(seen.reading, policy, pairs=options.pairs) if options.deletions else None
        proven = Proven(organization, seen.namespace, proofs, found, kinds(seen.reading.parsed()[0]), damage)
        return _with_packets(proven, seen.reading, options)
    except (Unmodelled, Unreplayable) as error:
        return Failure(organization, "; ".join((*found, str(error))))


def _with_packets(proven: Proven, reading: Reading, options: ProofOptions) -> Proven:
    """Adds what real packets show."""
    examples = proven.proof.counterexamples
    openings = () if proven.damage is None else proven.damage.openings
    if options.captures is not None and (examples or openings):
        # scapy takes half a second to load, and most proofs send nothing.
        from harness.proof.replay.showing import show, show_openings

        name = proven.organization.id
        shown = show(reading, examples, options.captures, name)
        opened = show_openings(reading, openings, options.captures, f"{name}-damaged")
        proven = replace(proven, shown=tuple(shown), opened=tuple(opened))
    if options.seed is not None:
        from harness.proof.replay.comparing import compare, compare_wrongly

        control = compare_wrongly(reading, options.seed) if options.control else None
        proven = replace(proven, compared=compare(reading, options.seed), control=control)
    return proven


def namespace_of(organization: str, run: Command) -> str:
    """Name of an organization's network namespace, which ends with its id.

    Raises:
        Unavailable: this host has none.
    """
    listed: list[dict[str, Any]] = json.loads(run(["ip", "-json", "netns", "list"]) or "[]")
    found = [each["name"] for each in listed if each.get("name", "").endswith(organization)]
    if len(found) != 1:
        raise Unavailable(f"This host has {len(found)} namespaces of the organization {organization}.")
    return str(found[0])


def run_here(command: list[str]) -> str:
    """Runs a program on this host.

    Raises:
        Unavailable: there is no such program, or it failed.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise Unavailable(f"{command[0]} can't be run: {error.strerror}.") from error
    if done.returncode != 0:
        raise Unavailable(f"{' '.join(command)} failed: {done.stderr.strip()}")
    return done.stdout


def run_there(service: Installed) -> Command:
    """Makes a `Command` of a service's host, whose failures are those of netlab's hosts."""
    return lambda command: service.host.run(*command).stdout
