"""Time from sign-up to the first ping between two machines."""

from __future__ import annotations

import time
from collections.abc import Callable

from harness.bench.beside import Measured, measured
from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive
from harness.world.world import World
from netlab import Host
from netlab.examples import plainhub


def measure(world: World, rounds: int, tell: Callable[[str], None]) -> dict[str, Measured]:
    """Measures sign-ups of an organization with two machines, up to the first ping.

    Args:
        rounds: number of organizations.
        tell: takes messages about progress.

    Raises:
        Inconclusive: a ping was not answered.
    """
    tell(f"{rounds} sign-ups to the first ping, in turns with a bare hub")
    took, beside = [], []
    router, address = world.router()
    for _ in range(rounds):
        start = time.monotonic()
        mumbai, pune = world.organization(Record()).machines("mumbai", "pune")
        if not mumbai.reaches(pune, timeout=10.0):
            raise Inconclusive("the first ping was not answered")
        took.append((time.monotonic() - start) * 1e3)
        beside.append(_bare(router, address, [mumbai.host, pune.host]) * 1e3)
    return {"first-ping": measured(took, beside, "ms", "a bare hub with the same two machines, by wg-quick")}


def _bare(router: Host, address: str, machines: list[Host]) -> float:
    """Returns the seconds until the first ping through a bare hub, which is taken down then."""
    start = time.monotonic()
    hub = plainhub.connect(router, address, machines)
    if not machines[0].ping(hub.addresses[1], timeout=10.0):
        raise Inconclusive("the first ping through the bare hub was not answered")
    seconds = time.monotonic() - start
    for tunnel in (*hub.tunnels, hub.tunnel):
        tunnel.down()
    return seconds
