"""Judgements of datagrams, one of each class, after their way through the rules of a hook."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from typing import Generic, TypeVar

from harness.proof.front_door.choices import Choices, ends
from harness.proof.front_door.interpreter import Machine

T = TypeVar("T")


class _Judged(Generic[T]):
    """A run of the rules whose last step is a judgement, which may need choices of its own."""

    found: T

    def __init__(self, machine: Machine, judge: Callable[[Machine], T]) -> None:
        self._machine = machine
        self._judge = judge

    def part(self, choices: Choices) -> None:
        self._machine = copy(self._machine)
        self._machine.part(choices)

    def step(self) -> bool:
        if self._machine.step():
            return True
        self.found = self._judge(self._machine)
        return False


def judged(machine: Machine, judge: Callable[[Machine], T]) -> Iterator[T]:
    """Runs a machine once for each class of datagrams and contents, and yields what is found of each in the end.

    Args:
        machine: has not begun.
        judge: is told each machine after its last step; may ask its world for more.

    Raises:
        Unmodelled: there are too many classes, or chains lead back to themselves.
    """
    return (each.found for each in ends(_Judged(machine, judge)))
