"""Pings by which a machine knows that all that it sent has met the hub."""

from __future__ import annotations

from typing import Any, cast

import pytest

from harness.judging.record import Record
from harness.judging.verdicts import Refuted
from harness.overlay.mesh import Machine


class LossyHost:
    """A host whose pings are lost, up to one of them.

    Args:
        answered: number of the ping that is answered.
    """

    def __init__(self, answered: int) -> None:
        self._left = answered

    def ping(self, address: str, count: int = 1, timeout: float = 1.0) -> bool:
        assert address == "10.100.0.1"
        assert timeout >= 1.0
        self._left -= count
        return self._left < 0


def machine(answered: int) -> Machine:
    nothing = cast("Any", None)
    return Machine(
        "1", "mumbai", "10.100.0.2", (), "", "10.100.0.1", cast("Any", LossyHost(answered)), nothing, Record()
    )


@pytest.mark.parametrize("answered", [0, 1, 2, 20])
def test_pings_that_a_busy_machine_loses_are_sent_again(answered: int) -> None:
    machine(answered).fence()


def test_a_hub_that_answers_no_ping_is_refuted() -> None:
    with pytest.raises(Refuted, match="mumbai can't ping its hub"):
        machine(1000).fence()
