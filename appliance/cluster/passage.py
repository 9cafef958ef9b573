"""Passage to a shard: the gate that lets packets through, and the address that brings them here."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from appliance.cluster.addresses import AddressUnavailable, PublicAddress
from appliance.cluster.tenure import Gate
from appliance.host.clocks import boottime

log = structlog.get_logger()


class Passage:
    """A gate and an address, which come and go together.

    The kernel counts both, the gate exactly, and the address in whole seconds. An address that is left on a former
    owner's host, behind a gate that is shut, draws packets that the next owner should have. So it is taken for what is
    left of the offered time, and not for all of it, however long the renewal took.

    Args:
        gate: lets packets through.
        address: leads packets to this host.
        clock: counts seconds.

    Attributes:
        renewed: time of the latest renewal that is known to have succeeded, from before it was asked for, by the clock.
    """

    def __init__(self, gate: Gate, address: PublicAddress, clock: Callable[[], float] = boottime) -> None:
        self._gate = gate
        self._address = address
        self._clock = clock
        self._offered = self._end = self._ours_until = self.renewed = clock()

    def offer(self, seconds: float) -> None:
        """Begin to count a time that does not let anything through yet."""
        self._offered = self._clock()
        self._end = self._offered + seconds
        self._gate.offer(seconds)

    def accept(self) -> None:
        """Let packets through, and lead them here, for what is left of the time that was offered last."""
        self._gate.accept()
        self.renewed, self._ours_until = self._offered, self._end
        left = self._end - self._clock()
        if left <= 0:
            return
        try:
            self._address.take(left)
            # This process may have been stopped after it looked at the clock. Another hub may be the owner by now.
            if self._clock() >= self._end:
                self._address.drop(is_ours=False)
        except AddressUnavailable as error:
            # It is tried again with the next renewal. Elsewhere it might succeed; that is the operator's to decide.
            log.error("the shard's address can't be taken", error=str(error))

    def shut(self) -> None:
        """Let nothing through, and lead nothing here."""
        self._gate.shut()
        try:
            self._address.drop(is_ours=self._clock() < self._ours_until)
        except AddressUnavailable as error:
            log.error("the shard's address can't be given up", error=str(error))
