"""Kinds of statements and expressions that a ruleset is made of."""

from __future__ import annotations

from harness.proof.ruleset import (
    And,
    Assign,
    Concat,
    Dispatch,
    Field,
    Hash,
    Limited,
    MapLookup,
    Match,
    NoTrack,
    Or,
    Raw,
    Ruleset,
    Verdict,
    parts_of,
)

_WORDS: dict[type, str] = {
    And: "bits of an expression",
    Or: "bits set in an expression",
    Concat: "concatenation",
    Hash: "jhash",
    MapLookup: "map",
    Dispatch: "verdict map",
    Match: "match",
    Limited: "rate",
    NoTrack: "notrack",
}


def kinds(ruleset: Ruleset) -> tuple[str, ...]:
    """Kinds in use, in words; what has no meaning was refused before, so each of them has one."""
    found = set()
    for statement in ruleset.statements():
        for part in parts_of(statement):
            found.add(_word(part))
    hooks = {f"hook {chain.hook.name}" for table in ruleset.tables for chain in table.chains.values() if chain.hook}
    return tuple(sorted((found - {""}) | hooks))


def _word(part: object) -> str:
    if isinstance(part, Field):
        return part.name
    if isinstance(part, Raw):
        return f"@{part.base},{part.offset},{part.length}"
    if isinstance(part, Verdict):
        return part.kind
    if isinstance(part, Assign):
        return f"{part.field.name} set"
    return _WORDS.get(type(part), "")
