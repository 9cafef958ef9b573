"""Times of the proof that the kernel does what a policy says to every packet."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from harness.bench.beside import Measured, measured
from harness.client.api import Api
from harness.judging.verdicts import Refuted
from harness.overlay.drawn import GROUPS, draw_groups, draw_rules, groups_of
from harness.proof import ENGINES
from harness.world.organizations import of_token
from harness.world.proving import ProofOptions, prove_policy, run_there
from harness.world.world import PASSWORD, World


@dataclass(frozen=True)
class Size:
    """Size of an organization.

    Attributes:
        groups: number of groups, of which a machine is in one to three; None are two, in all combinations.
    """

    machines: int
    rules: int
    groups: int | None = None


SIZES = {
    "proof-5": Size(5, 10),
    "proof-50": Size(50, 100),
    "proof-200": Size(200, 1000),
    "proof-groups": Size(200, 1000, 40),
}
"""Sizes of the organizations whose policies are proven, by row."""


def measure(world: World, rounds: int, tell: Callable[[str], None]) -> dict[str, Measured]:
    """Measures proofs of organizations of several sizes, without reading them back.

    Args:
        rounds: proofs of each.
        tell: takes messages about progress.

    Raises:
        Refuted: a policy is not what the kernel does.
    """
    found = {}
    run = run_there(world.subject.installed)
    for row, size in SIZES.items():
        tell(f"proofs of {size.machines} machines and {size.rules} rules")
        api = world.subject.api()
        api.sign_up(f"{row}@example.net", PASSWORD, row)
        api.call("PATCH", "/organization", {"plan": "paid"})
        chance = random.Random(row)  # noqa: S311 - a choice, no secret
        names = GROUPS if size.groups is None else [f"g{number}" for number in range(size.groups)]
        ids = list(_add_machines(api, size, chance, names))
        api.call("PUT", "/policy", {"default": "deny", "rules": draw_rules(chance, ids, size.rules, names)})
        organization = partial(of_token, api)
        # z3 takes longer, so it is asked once, where it answers soon.
        first = prove_policy(organization, run)
        one_engine = ProofOptions(lambda _: ENGINES[:1])
        proofs, reading = [], []
        for _ in range(rounds):
            began = time.monotonic()
            proofs.append(prove_policy(organization, run, one_engine))
            reading.append(time.monotonic() - began - proofs[-1].proof.seconds)
        if wrong := [each for proven in (first, *proofs) for each in proven.wrong]:
            raise Refuted(f"the kernel does not do what the policy says: {wrong[0]}")
        seconds = [each.proof.seconds for each in proofs]
        others = "".join(f"; {each.engine}: {each.seconds:.1f} s" for each in first.proofs[1:])
        more = f"{first.proof.counted} classes of packets, {len(first.kinds)} kinds of expressions{others}"
        found[row] = measured(seconds, reading, "s", "reading what is proven", more)
    return found


def _add_machines(api: Api, size: Size, chance: random.Random, names: Sequence[str]) -> Iterator[str]:
    """Adds the machines of an organization, and yields their ids."""
    for number in range(size.machines):
        groups = groups_of(number) if size.groups is None else draw_groups(chance, names)
        answer = api.call("POST", "/machines", {"name": f"machine {number}", "groups": groups})
        yield str(answer.body["machine"]["id"])
