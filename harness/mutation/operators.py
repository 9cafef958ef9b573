"""Operators on Python: mutmut's, and more on statements, conditions and queries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import libcst as cst
from mutmut.mutation.mutators import mutation_operators

Operator = Callable[[Any], Iterable[cst.CSTNode]]
_STRING, _CASES = "operator_string", "operator_match"
_PREFIX = "operator_"


def general() -> Iterator[tuple[str, type[cst.CSTNode], Operator]]:
    """Yields name, kind of node and function of each operator for all code."""
    for kind, function in mutation_operators:
        # A statement with a block can't be replaced by its text alone, since that is indented.
        if function.__name__ not in (_STRING, _CASES):
            yield function.__name__.removeprefix(_PREFIX), kind, function
    yield "statement", cst.Expr, _without_call
    yield "refusal", cst.Raise, _without_refusal
    yield "condition", cst.If, _negated
    yield "condition", cst.While, _negated


def of_words() -> Iterator[tuple[str, type[cst.CSTNode], Operator]]:
    """Yields the operators on strings that are no nftables text."""
    for kind, function in mutation_operators:
        if function.__name__ == _STRING:
            yield function.__name__.removeprefix(_PREFIX), kind, function


def of_queries() -> Iterator[tuple[str, type[cst.CSTNode], Operator]]:
    """Yields the operators on queries of SQLAlchemy."""
    yield "query", cst.Call, _without_clause


def _without_call(node: cst.Expr) -> Iterator[cst.CSTNode]:
    if isinstance(node.value, cst.Call | cst.Yield):
        yield cst.Pass()


def _without_refusal(node: cst.Raise) -> Iterator[cst.CSTNode]:
    if node.exc is not None:
        yield cst.Pass()


def _negated(node: cst.If | cst.While) -> Iterator[cst.CSTNode]:
    # Comparisons and negations are changed by mutmut's operators.
    if isinstance(node.test, cst.Comparison | cst.UnaryOperation):
        return
    test = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    yield cst.UnaryOperation(cst.Not(), test)


_CLAUSES = frozenset({"where", "with_for_update", "order_by", "limit", "distinct", "having", "on_conflict_do_nothing"})


def _without_clause(node: cst.Call) -> Iterator[cst.CSTNode]:
    function = node.func
    if not isinstance(function, cst.Attribute):
        return
    if function.attr.value in _CLAUSES:
        yield function.value
    elif function.attr.value in ("commit", "flush") and not node.args:
        yield cst.Name("None")
    elif function.attr.value == "and_":
        yield node.with_changes(func=function.with_changes(attr=cst.Name("or_")))
