"""A demonstration for tests of its page, with a lab that tests tell what arrives."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from appliance.model.demo import STREAMS
from appliance.service import Context, demo
from appliance.service.demo_lab import DemoLab, StreamReading
from tests.appliance.clocks import Clock


@dataclass
class FakeLab:
    """A lab without machines.

    Attributes:
        last_ns: time of the last arrival of each stream.
    """

    lab: DemoLab
    clock: Clock[int]
    addresses: dict[str, str] = field(default_factory=dict)
    last_ns: list[int] = field(default_factory=lambda: [0] * len(STREAMS))

    @classmethod
    def of(cls, folder: Path) -> FakeLab:
        """Makes one that publishes nothing yet."""
        clock = Clock(10**12)
        return cls(DemoLab(folder / "demo.json", clock), clock)

    def begin(self, context: Context) -> None:
        """Founds the demonstration's organization, and has all streams go."""
        self.addresses = {each.machine.name: str(each.machine.address) for each in demo.found(context)}
        self.arrive(*range(len(STREAMS)))

    def arrive(self, *numbers: int) -> None:
        """Has packets of these streams arrive now, of others none, and publishes it."""
        for number in numbers:
            self.last_ns[number] = self.clock.now
        self.lab.publish(
            self.addresses,
            [StreamReading(10 if self.clock.now - last < 10**9 else 0, last) for last in self.last_ns],
        )
