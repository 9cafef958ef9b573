"""A customer's machine with its tunnel up: its pings, its streams, and its fences."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.judging.record import Record
from harness.judging.verdicts import Refuted
from harness.overlay.canary import Canary
from harness.overlay.judged_stream import JudgedStream
from harness.overlay.queues import Queues
from harness.wire.reordering import IN_ORDER, Way
from netlab import LabHost, Tunnel, wait_until

PROBE_DEADLINE = 5.0
"""Seconds in which a ping is answered, if it ever is."""

_LOST_AFTER = 0.3
_MANY_PINGS = 20


@dataclass(frozen=True, eq=False)
class Machine:
    """A customer's machine with its tunnel up.

    Attributes:
        id: id of the machine in the API.
        name: name of the machine.
        address: address in the overlay network.
        groups: names of its groups.
        config: text of its wg-quick configuration.
        hub: overlay address of its hub.
        host: host of the lab on which it runs.
        tunnel: its WireGuard tunnel.
        record: record of the scenario.
        way: its way to the hub outside of the tunnel.
    """

    id: str
    name: str
    address: str
    groups: tuple[str, ...]
    # Not in repr: it has a private key, and messages of assertions go into transcripts.
    config: str = field(repr=False)
    hub: str
    host: LabHost
    tunnel: Tunnel
    record: Record
    way: Way = IN_ORDER

    @property
    def underlay_address(self) -> str:
        """Address outside the tunnel."""
        return self.host.addresses("eth0")[0].partition("/")[0]

    def reaches(self, other: Machine, timeout: float = PROBE_DEADLINE) -> bool:
        """Returns True if the other machine answers a ping.

        Args:
            timeout: seconds to wait for the answer.
        """
        return bool(self.host.ping(other.address, timeout=timeout))

    def wait_until_reaches(self, other: Machine, deadline_s: float) -> None:
        """Pings the other machine until it answers.

        Each ping waits for a moment only: one that is sent while a tunnel is gone is lost, however long its answer is
        awaited.

        Raises:
            Refuted: no ping is answered in ``deadline_s`` seconds.
        """
        if not wait_until(lambda: self.reaches(other, _LOST_AFTER), deadline_s):
            raise Refuted(f"{self.name} does not reach {other.name} for {deadline_s:.0f} s")

    def accept_all_addresses(self) -> None:
        """Sets the peer's allowed IPs to every address, as any customer may do on a machine of their own."""
        (peer,) = self.tunnel.peers()
        allowed = "0.0.0.0/0,::/0"
        self.host.run("wg", "set", self.tunnel.interface, "peer", peer.public_key, "allowed-ips", allowed)

    def stream_to(
        self,
        other: Machine,
        *,
        interval: float = 0.002,
        canary: Canary | None = None,
        queues: Queues | None = None,
    ) -> JudgedStream:
        """Makes a stream of numbered packets to another machine, which runs while its ``with`` block does.

        Args:
            interval: seconds between packets.
            canary: stream beside it that tells what the machine loses.
            queues: watch over the queues on its way, which tells what they lost.
        """
        return JudgedStream(
            self.host,
            other.host,
            other.address,
            self.record,
            f"{self.name}→{other.name}",
            interval,
            self.fence,
            canary=canary,
            queues=queues,
            way=self.way,
        )

    def fence(self) -> None:
        """Waits until everything that this machine sent before has met the hub.

        A tunnel keeps its packets in order, but for those that the lab holds back on the way. So there is another ping
        once these were sent on.

        Raises:
            Refuted: the hub does not answer a ping.
        """
        self._ping_hub()
        if self.way.settle():
            self._ping_hub()

    def _ping_hub(self) -> None:
        # A busy machine loses some, and delays others by seconds.
        if not (self.host.ping(self.hub) or self.host.ping(self.hub, _MANY_PINGS, PROBE_DEADLINE)):
            raise Refuted(f"{self.name} can't ping its hub, which every machine always may")
