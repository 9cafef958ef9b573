"""Runs for every combination of choices, which share the steps that they have in common."""

from __future__ import annotations

from itertools import product

import pytest

from harness.proof import Unmodelled
from harness.proof.front_door import choices
from harness.proof.front_door.choices import Choices, ends

CHOICES = (2, 0, 3, 0, 0, 2)
"""Number of the options of each step; a step without any makes no choice."""


class Way:
    """A way that notes what it chose, and on which all copies count their steps together."""

    def __init__(self, steps: tuple[int, ...], taken: list[int]) -> None:
        self._steps = steps
        self._taken = taken
        self.found: list[int] = []

    def part(self, made: Choices) -> None:
        self._choices = made
        self.found = self.found.copy()

    def step(self) -> bool:
        number, *left = self._steps
        self._steps = tuple(left)
        self._taken[0] += 1
        if number:
            self.found.append(self._choices.one_of(range(number)))
        return bool(left)


def test_each_combination_ends_one_run_in_order() -> None:
    found = [each.found for each in ends(Way(CHOICES, [0]))]
    assert found == [list(each) for each in product(*map(range, filter(None, CHOICES)))]


def test_several_choices_of_one_step_are_combined() -> None:
    class Pair(Way):
        def step(self) -> bool:
            self.found.append(self._choices.one_of((0, 1)))
            if self.found[0]:
                self.found.append(self._choices.one_of((0, 1, 2)))
            return False

    assert [each.found for each in ends(Pair((), [0]))] == [[0], [1, 0], [1, 1], [1, 2]]


def test_steps_before_a_choice_are_shared() -> None:
    taken = [0]
    runs = list(ends(Way((2,) * 8, taken)))
    assert len(runs) == 2**8
    # A branch of a tree each, not the whole way to each of its ends.
    assert taken[0] == sum(2**depth for depth in range(1, 9))


def test_too_many_runs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choices, "MOST_RUNS", 7)
    assert len(list(ends(Way((7,), [0])))) == 7
    with pytest.raises(Unmodelled, match="more than 7 classes"):
        list(ends(Way((8,), [0])))
