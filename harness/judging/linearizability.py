"""Checker of histories: whether what several clients did at once can have been done one after the other.

A history is linearizable if each operation can have taken effect at one moment between its request and its answer. The
search is that of J. Wing and C. Gong (1993), with G. Lowe's memory of what was tried before (2017).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

S = TypeVar("S", bound=Hashable)


@dataclass(frozen=True)
class Operation(Generic[S]):
    """One operation of a client.

    Attributes:
        requested_ns, answered_ns: times of one clock.
        after: returns the state after it; None if it can't have been answered as it was in that state.
        text: the operation and its answer in words.
    """

    requested_ns: int
    answered_ns: int
    after: Callable[[S], S | None]
    text: str


def one_order(history: Sequence[Operation[S]], state: S) -> list[Operation[S]] | None:
    """Finds an order in which the operations can have taken effect.

    Args:
        history: operations of all clients, each of which was answered.
        state: state before all of them.

    Returns:
        The operations in that order; None if there is no such order.
    """
    # Each entry: numbers of the operations that are left, the state then, and the order so far.
    tried: set[tuple[frozenset[int], S]] = set()
    stack: list[tuple[frozenset[int], S, tuple[int, ...]]] = [(frozenset(range(len(history))), state, ())]
    while stack:
        left, now, order = stack.pop()
        if not left:
            return [history[each] for each in order]
        if (left, now) in tried:
            continue
        tried.add((left, now))
        # Nothing that was requested after the answer of another one can come before that one.
        first_answer = min(history[each].answered_ns for each in left)
        may_be_next = [each for each in left if history[each].requested_ns <= first_answer]
        stack += [
            (left - {each}, then, (*order, each))
            for each in may_be_next
            if (then := history[each].after(now)) is not None
        ]
    return None
