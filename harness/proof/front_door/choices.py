"""Every combination of choices, one run at a time: a choice is made where a run first needs it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from typing import Protocol, TypeVar

from harness.proof.errors import Unmodelled

T = TypeVar("T")
MOST_RUNS = 1_000_000


class Choices:
    """Choices of one step: the first are those of the script, and all later ones take their first option."""

    def __init__(self, script: Sequence[tuple[int, int]] = ()) -> None:
        self._script = script
        self.made: list[tuple[int, int]] = []

    def one_of(self, options: Sequence[T]) -> T:
        """Chooses one of some options."""
        at = len(self.made)
        number = self._script[at][0] if at < len(self._script) else 0
        self.made.append((number, len(options)))
        return options[number]


class Run(Protocol):
    """Something that goes on by steps, some of which need choices."""

    def part(self, choices: Choices) -> None:
        """Shares nothing that changes with what it was copied from, and makes its next choices there."""

    def step(self) -> bool:
        """Goes on by one step, and tells whether there may be another one."""


R = TypeVar("R", bound=Run)


def ends(first: R) -> Iterator[R]:
    """Yields the end of a run for every combination of choices, in the order of their options.

    Runs that begin with the same choices share their first steps.

    Raises:
        Unmodelled: there are too many.
    """
    # Runs that stand before a step with choices, each with the first of its choices there.
    left: list[tuple[R, list[tuple[int, int]]]] = [(first, [])]
    for _ in range(MOST_RUNS):
        before, script = left.pop()
        goes_on = True
        while goes_on:
            choices = Choices(script)
            run = copy(before)
            run.part(choices)
            while (goes_on := run.step()) and not choices.made:
                pass
            for at in range(len(script), len(choices.made)):
                number, options = choices.made[at]
                others = range(options - 1, number, -1)
                left += ((before, [*choices.made[:at], (other, options)]) for other in others)
            before, script = run, []
        yield run
        if not left:
            return
    raise Unmodelled(f"a table with more than {MOST_RUNS} classes of datagrams", "proof")
