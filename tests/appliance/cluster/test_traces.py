"""A trace that breaks a property of the model is found, and one that keeps them is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.appliance.cluster.traces import ACCEPTS, OFFERS, OWNS, SHUTS, Step, Trace, TracedGate, violations

_TRUSTED = 1.7


def tenure(hub: str, token: int, begin: float, *, late: float = 0.0, trusted: float = _TRUSTED) -> list[Step]:
    """A time of ownership with one renewal.

    Args:
        late: seconds between what the hub offers and what it accepts.
    """
    return [
        Step(hub, OWNS, begin, begin, token),
        Step(hub, OFFERS, begin + 0.01, begin + 0.02, trusted),
        Step(hub, ACCEPTS, begin + late + 0.03, begin + late + 0.04),
    ]


def test_owners_after_one_another_keep_the_properties() -> None:
    assert violations([*tenure("a", 1, 0), *tenure("b", 2, 2), *tenure("a", 3, 4)]) == []


def test_a_hub_that_wakes_with_an_old_offer_opens_nothing() -> None:
    assert violations([*tenure("a", 1, 0, late=2.5), *tenure("b", 2, 2)]) == []


def test_a_hub_that_shut_its_gate_may_be_followed_at_once() -> None:
    shut = Step("a", SHUTS, 0.5, 0.51)
    assert violations([*tenure("a", 1, 0), shut, *tenure("b", 2, 0.6)]) == []


@pytest.mark.parametrize(
    "steps",
    [
        [*tenure("a", 1, 0), *tenure("b", 2, 1)],
        # The kernel counts longer than the lease lasts.
        [*tenure("a", 1, 0, trusted=2.5), *tenure("b", 2, 2)],
        # The kernel begins to count when the renewal is known.
        [Step("a", OWNS, 0, 0, 1), *tenure("a", 1, 1.2)[1:], *tenure("b", 2, 2)],
        [*tenure("a", 2, 0), *tenure("b", 1, 2)],
        [*tenure("a", 1, 0), *tenure("b", 1, 2)],
    ],
)
def test_a_break_of_the_properties_is_found(steps: list[Step]) -> None:
    assert len(violations(steps)) == 1


def test_a_gate_s_steps_are_written_down(tmp_path: Path) -> None:
    class NoGate:
        def offer(self, seconds: float) -> None: ...

        def accept(self) -> None: ...

        def shut(self) -> None: ...

    trace = Trace(tmp_path / "trace")
    gate = TracedGate(NoGate(), trace, "a")
    gate.offer(_TRUSTED)
    gate.accept()
    gate.shut()
    steps = trace.steps()
    assert [(step.hub, step.what, step.value) for step in steps] == [
        ("a", OFFERS, _TRUSTED),
        ("a", ACCEPTS, 0.0),
        ("a", SHUTS, 0.0),
    ]
    assert all(step.before <= step.after for step in steps)
