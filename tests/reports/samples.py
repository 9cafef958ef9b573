"""Sample runs: one written by hand, and strategies for random ones."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from reports.certificates import Certificate, DoorCertificate, EngineRun
from reports.exhibits import MOST_BINS, Cell, Event, Histogram, Passed, Row, Save, Stream, Timeline, TruthTable
from reports.schema import VERSION, Claim, MutantVerdict, Place, SabotageVerdict, Scenario, Transcript
from reports.software import Package, Software

VERDICTS = ("proven", "refuted", "inconclusive")

# JSON has no lone surrogates, and whole numbers of 64 bits.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
seconds = st.floats(0, 1e6)
scalars = st.none() | st.booleans() | numbers | texts
values = (
    scalars | st.lists(scalars, max_size=3) | st.fixed_dictionaries({"value": scalars, "unit": texts, "limit": scalars})
)

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
counts = st.integers(0, 10**9)
moments = st.floats(0, 1e4)


@st.composite
def histograms(draw: st.DrawFn) -> Histogram:
    """Generates any histogram."""
    edges = sorted(draw(st.sets(st.floats(-1e6, 1e6), min_size=2, max_size=MOST_BINS + 1)))
    bins = draw(st.lists(counts, min_size=len(edges) - 1, max_size=len(edges) - 1))
    least, median, most = sorted(draw(st.tuples(moments, moments, moments)))
    return Histogram(draw(words), draw(st.sampled_from(["s", "packets", ""])), edges, bins, least, median, most)


@st.composite
def timelines(draw: st.DrawFn) -> Timeline:
    """Generates any timeline."""
    slots, streams = draw(st.integers(1, 12)), draw(st.integers(1, 3))
    passed = st.builds(Passed, allowed=st.none() | st.booleans(), sent=counts, delivered=counts, wrong=counts)
    saves = st.builds(
        Save,
        policy=words,
        asked=moments,
        answered=moments,
        passed=st.lists(passed, min_size=streams, max_size=streams),
    )

    def stream() -> Stream:
        sent = draw(st.lists(counts, min_size=slots, max_size=slots))
        delivered = [draw(st.integers(0, each)) for each in sent]
        denied = draw(st.lists(st.tuples(moments, moments).map(lambda pair: (min(pair), max(pair))), max_size=2))
        return Stream(draw(words), sent, delivered, denied)

    return Timeline(
        draw(words),
        draw(st.floats(0.001, 100)),
        draw(st.lists(saves, max_size=3)),
        [stream() for _ in range(streams)],
        draw(counts),
        draw(counts),
        draw(st.lists(st.builds(Event, what=words, begin=moments, end=moments), max_size=3)),
        draw(counts),
    )


@st.composite
def tables(draw: st.DrawFn) -> TruthTable:
    """Generates any truth table."""
    columns = draw(st.lists(words, min_size=1, max_size=3, unique=True))
    cells = st.none() | st.builds(Cell, allowed=st.booleans(), sent=counts, arrived=counts)
    rows = st.builds(
        Row, source=words, destination=words, cells=st.lists(cells, min_size=len(columns), max_size=len(columns))
    )
    return TruthTable(draw(words), draw(words), columns, draw(st.lists(rows, max_size=3)), draw(counts))


digests = st.text("0123456789abcdef", min_size=64, max_size=64)
engine_runs = st.builds(EngineRun, name=words, counted=counts, unit=words, seconds=moments)
certificates = st.builds(
    Certificate,
    name=words,
    machines=counts,
    rules=counts,
    policy=digests,
    ruleset=digests,
    kernel=words,
    engines=st.lists(engine_runs, min_size=1, max_size=2),
    kinds=st.lists(words, max_size=3),
    wrong=st.lists(words, max_size=2),
)
door_certificates = st.builds(
    DoorCertificate,
    name=words,
    links=counts,
    rules=counts,
    ruleset=digests,
    kernel=words,
    engines=st.lists(engine_runs, min_size=1, max_size=2),
    claims=st.lists(words, min_size=1, max_size=2),
    kinds=st.lists(words, max_size=3),
    wrong=st.lists(words, max_size=2),
)
exhibits = histograms() | timelines() | tables() | certificates | door_certificates

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
    exhibits=st.lists(exhibits, max_size=2),
    conditions=st.dictionaries(texts, texts, max_size=2),
)
claims = st.builds(
    Claim, id=texts, verdict=st.sampled_from(VERDICTS), scenarios=st.lists(scenarios, max_size=3), claim=texts
)
sabotages = st.builds(
    SabotageVerdict,
    id=texts,
    claim=texts,
    caught=st.booleans(),
    broke=texts,
    noticed=texts,
    seconds=seconds,
    conditions=st.dictionaries(texts, texts, max_size=2),
)
git_ids = st.text("0123456789abcdef", min_size=40, max_size=40)
software = st.builds(
    Software,
    scenarios=digests,
    packages=st.lists(st.builds(Package, name=texts, version=texts, record=st.none() | digests), max_size=2),
    tree=st.none() | digests,
    files=counts,
    commit=st.none() | git_ids,
    git_tree=st.none() | git_ids,
    unknown=texts,
    locks=st.dictionaries(texts, digests, max_size=2),
    altered=st.lists(texts, max_size=2),
)
mutants = st.builds(
    MutantVerdict,
    id=texts,
    part=texts,
    verdict=st.sampled_from(["noticed", "survived", "undecided", "alike"]) | texts,
    function=texts,
    was=texts,
    becomes=texts,
    words=texts,
    seconds=seconds,
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
    untried=st.lists(texts, max_size=2),
    version=st.integers(1, VERSION),
    hub=st.none() | texts,
    elsewhere=st.booleans(),
    tested=st.none() | software,
    signed_by=texts,
    log=st.none() | st.builds(Place, name=texts, index=counts, began=counts),
    mutants=st.lists(mutants, max_size=2),
    options=st.none() | st.dictionaries(texts, texts, max_size=2),
)

SOFTWARE = Software(
    scenarios="b" * 64,
    packages=[Package("pytest", "9.2.0", "d" * 64), Package("meshwg", "0.1.0")],
    tree="a" * 64,
    files=1292,
    commit="c" * 40,
    git_tree="f" * 40,
    locks={"requirements.lock": "e" * 64},
)


def scenario(name: str = "test_shakes_hands", verdict: str = "proven", **facts: Any) -> Scenario:
    """Makes a scenario; one that is not proven has a reason by default."""
    facts.setdefault("failure", None if verdict == "proven" else "12 packets arrived")
    return Scenario(name, verdict, facts.pop("seconds", 1.5), facts.pop("measured", {}), **facts)


def claim(name: str = "tunnel-handshake", *of: Scenario, verdict: str = "proven") -> Claim:
    """Makes a claim, with one proven scenario if none is given."""
    return Claim(name, verdict, list(of) or [scenario()], f"The sentence of {name}.")


def run(*of: Claim, **facts: Any) -> Transcript:
    """Makes a run that passes, with one claim if none is given."""
    wanted = list(of) or [claim()]
    facts.setdefault("started_at", "2026-03-01T12:30:59Z")
    facts.setdefault("seconds", 48.2)
    facts.setdefault("profile", "quick")
    facts.setdefault("seed", 271828)
    facts.setdefault("environment", {"kernel": "6.1.0", "cpus": 2})
    facts.setdefault("sabotage", [SabotageVerdict(f"break-{each.id}", each.id, caught=True) for each in wanted])
    facts.setdefault("verdict", "pass")
    facts.setdefault("options", {})
    return Transcript(claims=wanted, **facts)


# All that a verdict looks at.
judged = st.sampled_from(VERDICTS).map(lambda verdict: scenario(verdict=verdict))
