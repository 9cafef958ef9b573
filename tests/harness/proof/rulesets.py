"""Random rulesets in which registers, maps, hashes and chains depend on each other."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from harness.proof.ruleset import Ruleset
from tests.harness.proof.listings import ACCEPT, DROP, MARK, ct, header, match, meta, pairs_of_equals, parsed

ENDS = tuple(f"10.100.0.{number}" for number in range(2, 6))
PORTS = (22, 80, 443)
_SOURCE, _DESTINATION, _PORT = ct("ip saddr", "original"), ct("ip daddr", "original"), ct("proto-dst", "original")
_CLASS = {"&": [meta("mark"), 0xF0]}
_CHAINS = ("a", "b", "c")
_numbers = st.sampled_from([0x1, 0x10, 0x20, 0x21])


def _mapped(field: Any, draw: st.DrawFn) -> Any:
    """A map of one field, with a value for all others or without."""
    known = draw(st.lists(st.tuples(st.sampled_from(ENDS), _numbers), min_size=1, unique_by=lambda each: each[0]))
    others = draw(st.sampled_from([[], [["*", 0x30]]]))
    return {"map": {"key": field, "data": {"set": [*map(list, known), *others]}}}


@st.composite
def _statements(draw: st.DrawFn, later: tuple[str, ...]) -> list[Any]:
    """One rule that leads to later chains alone."""
    found: list[Any] = [each for some in draw(st.lists(_conditions(), max_size=2)) for each in some]
    kind = draw(st.sampled_from(["write", "write", "verdict", "spread", "spread", "notrack", "rate"]))
    if kind == "write":
        field = draw(st.sampled_from([_SOURCE, _DESTINATION]))
        masked = {"|": [{"&": [meta("mark"), 0xF0]}, draw(st.sampled_from([1, 2]))]}
        value = draw(st.sampled_from([_mapped(field, draw), masked, 0x10]))
        key = "mark" if value == masked else draw(st.sampled_from(["mark", "priority"]))
        found.append({"mangle": {"key": meta(key), "value": value}})
    elif kind == "spread":
        found.append(_spread(draw, later))
        found += draw(st.sampled_from([[], [DROP], [MARK, ACCEPT]]))
    elif kind == "notrack":
        found.append({"notrack": None})
    elif kind == "rate":
        found.append({"limit": {"rate": 1, "per": "second"}})
    else:
        found.append(draw(_verdicts(later)))
    return found


FROM_ITS_END = [match(ct("state"), "related", "in"), pairs_of_equals(0xF)]
"""Conditions that an ICMP error comes from the end of a connection; only errors quote something."""


@st.composite
def _conditions(draw: st.DrawFn) -> list[Any]:
    """Conditions that flows meet alike, and some that they don't."""
    if draw(st.integers(0, 7)) == 0:
        return FROM_ITS_END
    op = draw(st.sampled_from(["==", "!="]))
    field, values = draw(
        st.sampled_from(
            [
                (_SOURCE, ENDS),
                (_DESTINATION, ENDS),
                (_PORT, PORTS),
                (meta("mark"), (0x1, 0x20, 0x21)),
                (meta("priority"), (0x10, 0x20, 0x30)),
                (_CLASS, (0x0, 0x10, 0x20)),
                (header("ip", "saddr"), ENDS),
                (header("tcp", "dport"), PORTS),
                (meta("l4proto"), ("tcp", "icmp")),
                (ct("direction"), ("original", "reply")),
            ]
        )
    )
    some = draw(st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True))
    return [match(field, {"set": some}, op)]


def _spread(draw: st.DrawFn, later: tuple[str, ...]) -> Any:
    """A verdict map over buckets, some of which lead nowhere."""
    fields = draw(st.permutations([_SOURCE, _DESTINATION, meta("priority"), _CLASS]))
    parts = fields[: draw(st.integers(1, 3))]
    buckets = draw(st.integers(2, 4))
    expression = {"concat": parts} if len(parts) > 1 else parts[0]
    key = {"jhash": {"expr": expression, "mod": buckets, "seed": draw(st.integers(0, 99)), "offset": 0}}
    cases = [[number, draw(_verdicts(later))] for number in range(buckets) if draw(st.booleans())]
    return {"vmap": {"key": key, "data": {"set": cases or [[0, DROP]]}}}


def _verdicts(later: tuple[str, ...]) -> st.SearchStrategy[Any]:
    plain = [ACCEPT, DROP, {"return": None}, {"continue": None}]
    return st.sampled_from([*plain, *({kind: {"target": name}} for kind in ("jump", "goto") for name in later)])


@st.composite
def rulesets(draw: st.DrawFn) -> Ruleset:
    """Chains without circles; the base chain lets what is left pass by a mark."""
    chains = {
        name: draw(st.lists(_statements(_CHAINS[at + 1 :]), min_size=1, max_size=4)) for at, name in enumerate(_CHAINS)
    }
    rules = draw(st.lists(_statements(_CHAINS), min_size=1, max_size=5))
    last = [match(ct("state"), ["new", "established", "related", "untracked"], "in"), MARK, ACCEPT]
    return parsed(*rules, last, chains=chains)
