"""One organization among many: its throughput, and the memory of each idle one."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from harness.bench import memory, population
from harness.bench.beside import Measured, measured
from harness.bench.memory import MemoryUse
from harness.bench.throughput import PORT, rate
from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive
from harness.world.world import World
from netlab.examples import plainhub

SETTLED_S = 65.0
"""Seconds after which hub and web have given free memory back, which they do each minute."""


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
    time.sleep(SETTLED_S)
    before = memory.read(world.subject.lab_host)
    others = population.sign_up(world.subject.service, "idle", organizations - 1, 2, tell)
    among = measure(f"of 1 of {organizations} organizations")
    # By now the others have been idle for a while, and nothing of their sign-up is kept any more.
    after = memory.read(world.subject.lab_host)
    bare = _bare_process(world)
    population.remove(world.subject.service, others, tell)
    alone += measure("of the only organization again")
    server.stop()

    # The machine may drift, so that each turn stands beside the mean of one before and one after.
    beside = [statistics.mean(each) / 1e6 for each in zip(alone[:rounds], alone[rounds:], strict=True)]
    mine = [value / 1e6 for value in among]
    name = "the only organization, before and after"
    return {
        "throughput-1000-organizations": measured(mine, beside, "Mbit/s", name, f"{organizations} organizations"),
        "idle-organization": _per_organization(before, after, len(others), bare),
    }


def _bare_process(world: World) -> float:
    """Returns the memory of the WireGuard process of a bare hub without machines, in MB.

    Raises:
        Inconclusive: it has none, because its WireGuard is the kernel's.
    """
    router, address = world.router()
    hub = plainhub.connect(router, address, [])
    found = memory.read(router)
    hub.tunnel.down()
    if not found.processes:
        raise Inconclusive("a bare hub has no WireGuard process to stand beside")
    return found.wireguard / found.processes


def _per_organization(before: MemoryUse, after: MemoryUse, count: int, bare: float) -> Measured:
    wireguard = (after.wireguard - before.wireguard) / count
    service = (after.service - before.service) / count
    kernel = (after.kernel - before.kernel) / count
    available = (before.available - after.available) / count
    text = (
        f"{count} organizations of 2 machines: {after.processes - before.processes} WireGuard processes "
        f"{wireguard:.2f} MB each (PSS), hub and web {service:.2f} MB, kernel {kernel:.2f} MB; "
        f"MemAvailable fell by {available:.2f} MB each"
    )
    return measured([wireguard + service + kernel], [bare], "MB", "one bare WireGuard process", text)
