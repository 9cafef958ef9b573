"""Pings by which a machine knows that all that it sent has met the hub."""

from __future__ import annotations

from typing import Any, cast

import pytest

from harness.judging.record import Record
from harness.judging.verdicts import Refuted
from harness.overlay.machine import Machine
from harness.wire.reordering import IN_ORDER, Way


class LossyHost:
    """A host whose pings are lost, up to one of them.

    Args:
        answered: number of the ping that is answered.
    """

    def __init__(self, answered: int) -> None:
        self._left = answered
        self.answered = 0

    def ping(self, address: str, count: int = 1, timeout: float = 1.0) -> bool:
        assert address == "10.100.0.1"
        assert timeout >= 1.0
        self._left -= count
        self.answered += self._left < 0
        return self._left < 0


class Holding(Way):
    """A way on which one packet is held back until somebody waits for it.

    Args:
        host: host whose pings are counted by then.
    """

    def __init__(self, host: LossyHost) -> None:
        self.answered_before = 0
        self._host = host

    def settle(self) -> bool:
        self.answered_before = self._host.answered
        return True


def machine(answered: int, host: LossyHost | None = None, way: Way = IN_ORDER) -> Machine:
    nothing: Any = None
    host = host or LossyHost(answered)
    return Machine("1", "mumbai", "10.100.0.2", (), "", "10.100.0.1", cast("Any", host), nothing, Record(), way)


@pytest.mark.parametrize("answered", [0, 1, 2, 20])
def test_pings_that_a_busy_machine_loses_are_sent_again(answered: int) -> None:
    machine(answered).fence()


def test_what_the_lab_holds_back_meets_the_hub_between_two_pings() -> None:
    host = LossyHost(0)
    way = Holding(host)
    machine(0, host, way).fence()
    assert (way.answered_before, host.answered) == (1, 2)


def test_a_hub_that_answers_no_ping_is_refuted() -> None:
    with pytest.raises(Refuted, match="mumbai can't ping its hub"):
        machine(1000).fence()
