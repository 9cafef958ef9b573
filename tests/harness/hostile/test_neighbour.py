"""What an ordinary tenant may be made to wait."""

from __future__ import annotations

import pytest

from harness.hostile.neighbour import Pace, Slowdown

QUIET = Pace([0.004, 0.005, 0.5], [0.01, 0.02, 0.03], [0.04])


def test_medians_are_compared_and_the_slowest_log_in_counts() -> None:
    found = Pace([0.01, 0.01, 9.0], [0.04, 0.04], [0.1, 0.7]).beside(QUIET)
    assert [found.reads, found.saves, found.log_in_s] == pytest.approx([2.0, 2.0, 0.7])
    assert found.complaints() == []


@pytest.mark.parametrize(
    ("slowdown", "about"),
    [
        (Slowdown(3.1, 1.0, 0.1), "reads took 3.1 times"),
        (Slowdown(1.0, 5.1, 0.1), "saves took 5.1 times"),
        (Slowdown(1.0, 1.0, 1.1), "log-in took 1.10 s"),
    ],
)
def test_each_bound_is_told(slowdown: Slowdown, about: str) -> None:
    (complaint,) = slowdown.complaints()
    assert about in complaint


def test_a_slow_machine_has_more_time_for_a_log_in_and_no_other_ratio() -> None:
    assert Slowdown(3.0, 5.0, 1.9).complaints(patience=2.0) == []
    assert len(Slowdown(4.0, 6.0, 2.1).complaints(patience=2.0)) == 3
