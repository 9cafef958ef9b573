"""Times of the proof that the kernel does what a policy says to every packet."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable
from functools import partial

from harness.bench.goals import Measured
from harness.judging.verdicts import Refuted
from harness.overlay.drawn import draw_rules, groups_of
from harness.world.proving import of_token, prove_policy, run_there
from harness.world.world import PASSWORD, World

_SIZES = {"proof-5": (5, 10), "proof-50": (50, 100), "proof-200": (200, 1000)}


def measure(world: World, rounds: int, tell: Callable[[str], None]) -> dict[str, Measured]:
    """Measures proofs of organizations of three sizes, without reading them back.

    Args:
        rounds: proofs of each.
        tell: takes messages about progress.

    Raises:
        Refuted: a policy is not what the kernel does.
    """
    found = {}
    run = run_there(world.subject.installed)
    for row, (machines, rules) in _SIZES.items():
        tell(f"proofs of {machines} machines and {rules} rules")
        api = world.subject.api()
        api.sign_up(f"{row}@example.net", PASSWORD, row)
        api.call("PATCH", "/organization", {"plan": "paid"})
        bodies = [{"name": f"machine {number}", "groups": groups_of(number)} for number in range(machines)]
        ids = [str(api.call("POST", "/machines", body).body["machine"]["id"]) for body in bodies]
        drawn = draw_rules(random.Random(row), ids, rules)  # noqa: S311 - a choice, no secret
        api.call("PUT", "/policy", {"default": "deny", "rules": drawn})
        proofs = [prove_policy(partial(of_token, api), run) for _ in range(rounds)]
        if wrong := [each for proven in proofs for each in proven.wrong]:
            raise Refuted(f"the kernel does not do what the policy says: {wrong[0]}")
        seconds = [each.proof.seconds for each in proofs]
        baseline = f"{proofs[0].proof.counted} classes of packets, {len(proofs[0].kinds)} kinds of expressions"
        found[row] = Measured(statistics.median(seconds), baseline, (min(seconds), max(seconds)))
    return found
