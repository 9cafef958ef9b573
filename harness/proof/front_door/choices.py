"""Every combination of choices, one run at a time: a choice is made where a run first needs it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from harness.proof.errors import Unmodelled

T = TypeVar("T")
MOST_RUNS = 1_000_000


class Choices:
    """Choices of one run: the first are those of the script, and all later ones take their first option."""

    def __init__(self, script: Sequence[tuple[int, int]]) -> None:
        self._script = script
        self.made: list[tuple[int, int]] = []

    def one_of(self, options: Sequence[T]) -> T:
        """Chooses one of some options."""
        at = len(self.made)
        number = self._script[at][0] if at < len(self._script) else 0
        self.made.append((number, len(options)))
        return options[number]


def runs() -> Iterator[Choices]:
    """Yields the choices of each run; each has to be used up before the next.

    Raises:
        Unmodelled: there are too many.
    """
    script: list[tuple[int, int]] = []
    for _ in range(MOST_RUNS):
        choices = Choices(script)
        yield choices
        script = choices.made
        while script and script[-1][0] + 1 == script[-1][1]:
            script.pop()
        if not script:
            return
        script[-1] = (script[-1][0] + 1, script[-1][1])
    raise Unmodelled(f"a table with more than {MOST_RUNS} classes of datagrams", "proof")
