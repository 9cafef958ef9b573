"""One organization among many: its throughput, and the memory of each idle one."""

from __future__ import annotations

import statistics
from collections.abc import Callable

from harness.bench import memory, population
from harness.bench.goals import Measured
from harness.bench.memory import MemoryUse
from harness.bench.throughput import PORT, rate
from harness.judging.record import Record
from harness.world.world import World


def measure(
    world: World, organizations: int, rounds: int, seconds: int, tell: Callable[[str], None]
) -> dict[str, Measured]:
    """Measures throughput alone, among others, and alone again, so that drift of the machine shows as spread.

    Args:
        organizations: number of organizations, with the measured one.
        rounds: number of measurements in each of the three situations.
        seconds: seconds of TCP in each.
        tell: takes messages about progress.
    """
    mumbai, pune = world.organization(Record()).machines("mumbai", "pune")
    server = pune.host.start("iperf3", "--server", "--forceflush", "--port", str(PORT))
    server.wait_for_log("Server listening", 10.0)

    def measure(situation: str) -> list[float]:
        values = [rate(mumbai.host, pune.address, seconds) for _ in range(rounds)]
        tell(f"throughput {situation}: {', '.join(f'{value / 1e6:.0f}' for value in values)} Mbit/s")
        return values

    alone = measure("of the only organization")
    before = memory.read(world.subject.lab_host)
    others = population.sign_up(world.subject.service, "idle", organizations - 1, 2, tell)
    after = memory.read(world.subject.lab_host)
    among = measure(f"of 1 of {organizations} organizations")
    population.remove(world.subject.service, others, tell)
    alone += measure("of the only organization again")
    server.stop()

    beside = statistics.median(alone)
    ratios = [value / beside for value in among]
    text = f"alone, before and after: {beside / 1e6:.0f} Mbit/s ({min(alone) / 1e6:.0f} to {max(alone) / 1e6:.0f})"
    return {
        "throughput-1000-organizations": Measured(
            statistics.median(ratios), f"{organizations} organizations; {text}", (min(ratios), max(ratios))
        ),
        "idle-organization": _per_organization(before, after, len(others)),
    }


def _per_organization(before: MemoryUse, after: MemoryUse, count: int) -> Measured:
    wireguard = (after.wireguard - before.wireguard) / count
    service = (after.service - before.service) / count
    kernel = (after.kernel - before.kernel) / count
    available = (before.available - after.available) / count
    text = (
        f"{count} organizations of 2 machines: {after.processes - before.processes} WireGuard processes "
        f"{wireguard:.2f} MB each (PSS), hub and web {service:.2f} MB, kernel {kernel:.2f} MB; "
        f"MemAvailable fell by {available:.2f} MB each"
    )
    return Measured(wireguard + service + kernel, text)
