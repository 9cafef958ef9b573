"""Kinds of statements and expressions that a front door's rules are made of."""

from __future__ import annotations

from collections.abc import Iterator

from harness.proof.front_door.statements import (
    Change,
    Compare,
    Door,
    Entry,
    Masked,
    Member,
    Rate,
    Statement,
    Store,
    Value,
)
from harness.proof.ruleset import Decide, Field, NoTrack, Raw


def door_kinds(door: Door) -> tuple[str, ...]:
    """Kinds in use, in words; what has no meaning was refused before, so each of them has one."""
    found = {word for statement in door.statements() for word in _words(statement)}
    hooks = {f"hook {chain.hook.name}" for chain in door.chains.values() if chain.hook}
    return tuple(sorted(found | hooks))


def _words(statement: Statement) -> Iterator[str]:
    if isinstance(statement, Compare):
        yield "match"
        yield from _of_value(statement.left)
    elif isinstance(statement, Member):
        yield "set"
        yield from map(_name, statement.key.parts)
    elif isinstance(statement, Store):
        yield f"{statement.field.name} set"
        yield from _of_value(statement.value)
    elif isinstance(statement, Change):
        yield f"{statement.op} element"
        yield from map(_name, statement.key.parts)
        if statement.has_rate:
            yield "rate of an element"
    elif isinstance(statement, Decide):
        yield statement.verdict.kind
    elif isinstance(statement, Rate):
        yield "rate"
    elif isinstance(statement, NoTrack):
        yield "notrack"


def _of_value(value: Value) -> Iterator[str]:
    if isinstance(value, Entry):
        yield "map"
        yield from map(_name, value.key.parts)
    elif isinstance(value, (Field, Raw, Masked)):
        yield _name(value)


def _name(value: Field | Raw | Masked) -> str:
    if isinstance(value, Masked):
        return f"bits of {_name(value.of)}"
    return value.name if isinstance(value, Field) else f"@{value.base},{value.offset},{value.length}"
