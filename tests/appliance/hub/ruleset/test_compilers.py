"""Compilers of many organizations stay within their memory, which changes no ruleset."""

from __future__ import annotations

import gc
import tracemalloc
from itertools import pairwise

from appliance.hub.ruleset import Compiler, Compilers
from appliance.hub.ruleset.compilers import MOST_BYTES
from appliance.model.desired import Desired
from appliance.model.policy import Action, Policy, Protocol
from tests.appliance.hub.ruled import members, rule, state_of

LINK = "mwabcbbbbbbbbbb"


def large(count: int) -> Desired:
    """Makes a state with a rule for each of so many pairs of machines."""
    machines = members(count + 1)
    rules = tuple(
        rule(f"r{at}", Action.DENY, one, other, Protocol.TCP, f"{at % 100 + 1}")
        for at, (one, other) in enumerate(pairwise(machines))
    )
    return state_of(machines, Policy(Action.ALLOW, rules))


def test_compilers_of_hostile_organizations_fill_no_memory() -> None:
    """Compiles a small organization, and then hundreds as large as a free plan's can be."""
    compilers, state = Compilers(), large(2000)
    compilers.compile("small", large(1), LINK)
    one = Compilers()
    one.compile("hostile", state, LINK)
    for number in range(60):
        compilers.compile(f"hostile{number}", state, LINK)
    assert MOST_BYTES - one.bytes < compilers.bytes <= MOST_BYTES
    before = compilers.bytes
    compilers.forget("small")
    assert 0 < before - compilers.bytes < 10_000


def test_a_dropped_compiler_changes_no_ruleset() -> None:
    forgetful, state = Compilers(most=1), large(20)
    for number in range(4):
        found = forgetful.compile(f"acme{number % 2}", state, LINK)
        assert found == Compiler().compile(state, LINK)


def test_what_is_kept_takes_about_the_memory_it_is_said_to() -> None:
    state = large(2000)
    Compiler().compile(state, LINK)
    compiler = Compiler()
    gc.collect()
    tracemalloc.start()
    try:
        compiler.compile(state, LINK)
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert taken / 2 < compiler.estimated_bytes < 2 * taken
