"""Conditions and numbers as terms of z3, with what is constant already computed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import z3

from harness.proof.intervals import Interval

# z3 comes without types: these are its BoolRef and BitVecRef.
Condition: TypeAlias = Any
Number: TypeAlias = Any

TRUE, FALSE = z3.BoolVal(val=True), z3.BoolVal(val=False)
_TRUE, _FALSE = TRUE.ast.value, FALSE.ast.value


def is_true(condition: Condition) -> bool:
    """True for the constant, of which there is one: its address tells, and needs no calls of z3."""
    return bool(condition.ast.value == _TRUE)


def is_false(condition: Condition) -> bool:
    """True for the constant; see `is_true`."""
    return bool(condition.ast.value == _FALSE)


def number(value: int, width: int) -> Number:
    """A constant."""
    return z3.BitVecVal(value, width)


def both(*conditions: Condition) -> Condition:
    """Conjunction."""
    left = [each for each in conditions if not is_true(each)]
    if any(is_false(each) for each in left):
        return FALSE
    return z3.And(left) if len(left) > 1 else left[0] if left else TRUE


def either(conditions: Iterable[Condition]) -> Condition:
    """Disjunction."""
    left = [each for each in conditions if not is_false(each)]
    if any(is_true(each) for each in left):
        return TRUE
    return z3.Or(left) if len(left) > 1 else left[0] if left else FALSE


def opposite(condition: Condition) -> Condition:
    """Negation."""
    if is_true(condition):
        return FALSE
    return TRUE if is_false(condition) else z3.Not(condition)


def chosen(condition: Condition, then: Number, otherwise: Number) -> Number:
    """One of two numbers or conditions."""
    if is_true(condition) or then.eq(otherwise):
        return then
    return otherwise if is_false(condition) else z3.If(condition, then, otherwise)


def lies_in(term: Number, interval: Interval) -> Condition:
    """True if a number, without a sign, is in an interval."""
    width = term.size()
    most = (1 << width) - 1
    first, last = max(interval[0], 0), min(interval[1], most)
    if first > last:
        return FALSE
    if z3.is_bv_value(term):
        return TRUE if first <= term.as_long() <= last else FALSE
    if (first, last) == (0, most):
        return TRUE
    if first == last:
        return term == number(first, width)
    host = (first ^ last).bit_length()
    if first & ((1 << host) - 1) == 0 and last - first == (1 << host) - 1:
        return z3.Extract(width - 1, host, term) == number(first >> host, width - host)
    return both(
        z3.UGE(term, number(first, width)) if first > 0 else TRUE,
        z3.ULE(term, number(last, width)) if last < most else TRUE,
    )


def is_one_of(term: Number, values: Iterable[int]) -> Condition:
    """True if a number is one of some values."""
    return either(lies_in(term, (value, value)) for value in values)
