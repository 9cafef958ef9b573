"""Both engines beside each other: they have to agree."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from itertools import islice

from harness.proof.policy import Policy
from harness.proof.proof import SHOWN, Proof, link_of_machines, outer_links, prove
from harness.proof.readback import Reading

UNITS = {
    "atoms": "classes of packets",
    "classes": "classes of datagrams and contents",
    "z3": "rules in one formula",
}
"""Parts of its question that each engine counts, the front door's included."""
ENGINES = ("atoms", "z3")
Z3_COST = 5_000
"""Cost of a policy (`cost_of`) up to which z3 is asked unless somebody says otherwise."""


class Disagreement(Exception):
    """One engine proves what the other one refutes, so one of them is wrong."""


def by_cost(policy: Policy) -> tuple[str, ...]:
    """Both engines for a policy that z3 answers soon, else the first."""
    return ENGINES if cost_of(policy) <= Z3_COST else ENGINES[:1]


def cost_of(policy: Policy) -> int:
    """Number of triples of source, destination and ports that rules name; machines in the same groups are one end."""
    classes = {machine.groups for machine in policy.machines}

    def ends(selector: str) -> int:
        kind, _, name = selector.partition(":")
        return sum(name in groups for groups in classes) if kind == "group" else 1

    return sum(
        ends(rule["source"]) * ends(rule["destination"]) * len((rule.get("ports") or "").split(","))
        for rule in policy.rules
    )


def prove_by(engines: Iterable[str], reading: Reading, policy: Policy, *, most: int = SHOWN) -> tuple[Proof, ...]:
    """Compares what a namespace does to all packets with a policy, by each of some engines.

    Args:
        most: number of counterexamples of an engine at most.

    Raises:
        Unmodelled: a part of what was read has no meaning for one of them.
        Disagreement: they differ.
    """
    provers: dict[str, Callable[..., Proof]] = {"atoms": prove, "z3": prove_by_z3}
    proofs = tuple(provers[each](reading, policy, most=most) for each in engines)
    check_agreement(proofs)
    return proofs


def check_agreement(proofs: Iterable[Proof]) -> None:
    """Checks that engines say the same.

    Raises:
        Disagreement: one proves what another one refutes.
    """
    by_verdict = {each.holds: each for each in proofs}
    if len(by_verdict) > 1:
        proven, refuted = by_verdict[True], by_verdict[False]
        raise Disagreement(f"{proven.engine} proves what {refuted.engine} refutes: {refuted.counterexamples[0]}")


def prove_by_z3(reading: Reading, policy: Policy, *, most: int = SHOWN) -> Proof:
    """Compares by z3 alone, as `prove` does by atoms."""
    # z3 is large, and nothing else needs it.
    from harness.proof.bitvectors.question import Question
    from harness.proof.bitvectors.rendering import rendered

    start = time.monotonic()
    ruleset, routing = reading.parsed()
    link = link_of_machines(routing, reading, policy)
    question = Question(ruleset, routing, policy, outer_links(reading), link)
    examples = tuple(map(rendered, islice(question.answers(), most)))
    taken = time.monotonic() - start
    return Proof(reading.digest, reading.kernel[0], "z3", len(question.ends.steps), examples, taken)
