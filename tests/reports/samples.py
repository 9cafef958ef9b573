"""Runs to make transcripts of: one that was written by hand, and any."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from reports.schema import Claim, Sabotage, Scenario, Transcript

# No deadline: how long an example takes says nothing about the code, and much about the machine.
any_time = settings(deadline=None)
any_time_few = settings(deadline=None, max_examples=50)

VERDICTS = ("proven", "refuted", "inconclusive")

# JSON has no lone surrogates, and whole numbers of 64 bits.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
seconds = st.floats(0, 1e6)
scalars = st.none() | st.booleans() | numbers | texts
values = (
    scalars | st.lists(scalars, max_size=3) | st.fixed_dictionaries({"value": scalars, "unit": texts, "limit": scalars})
)

scenarios = st.builds(
    Scenario,
    name=texts,
    verdict=st.sampled_from(VERDICTS),
    seconds=seconds,
    measured=st.dictionaries(texts, values, max_size=3),
    title=texts,
    controls=st.lists(texts, max_size=2),
    failure=st.none() | texts,
    rerun=st.none() | texts,
    evidence=st.lists(texts, max_size=2),
)
claims = st.builds(
    Claim, id=texts, verdict=st.sampled_from(VERDICTS), scenarios=st.lists(scenarios, max_size=3), claim=texts
)
sabotages = st.builds(
    Sabotage, id=texts, claim=texts, caught=st.booleans(), broke=texts, noticed=texts, seconds=seconds
)
transcripts = st.builds(
    Transcript,
    started_at=texts,
    seconds=seconds,
    profile=texts,
    seed=st.integers(-(2**63), 2**63 - 1),
    environment=st.dictionaries(texts, texts | st.integers(0, 2**31), max_size=3),
    claims=st.lists(claims, max_size=3),
    sabotage=st.lists(sabotages, max_size=3),
    verdict=st.sampled_from(["pass", "fail"]),
    problems=st.lists(texts, max_size=2),
    left_out=st.lists(texts, max_size=2),
)


def scenario(name: str = "test_shakes_hands", verdict: str = "proven", **facts: Any) -> Scenario:
    """One scenario; one that is not proven says why, unless told otherwise."""
    facts.setdefault("failure", None if verdict == "proven" else "12 packets arrived")
    return Scenario(name, verdict, facts.pop("seconds", 1.5), facts.pop("measured", {}), **facts)


def claim(name: str = "tunnel-handshake", *of: Scenario, verdict: str = "proven") -> Claim:
    """One claim, with one proven scenario if none is given."""
    return Claim(name, verdict, list(of) or [scenario()], f"The sentence of {name}.")


def run(*of: Claim, **facts: Any) -> Transcript:
    """A run that passes, with one claim if none is given."""
    wanted = list(of) or [claim()]
    facts.setdefault("started_at", "2026-03-01T12:30:59Z")
    facts.setdefault("seconds", 48.2)
    facts.setdefault("profile", "quick")
    facts.setdefault("seed", 271828)
    facts.setdefault("environment", {"kernel": "6.1.0", "cpus": 2})
    facts.setdefault("sabotage", [Sabotage(f"break-{each.id}", each.id, caught=True) for each in wanted])
    facts.setdefault("verdict", "pass")
    return Transcript(claims=wanted, **facts)


# All that a verdict looks at.
judged = st.sampled_from(VERDICTS).map(lambda verdict: scenario(verdict=verdict))
