"""Organizations signed up to a working mesh, one after the other and a few side by side, with real clients."""

from __future__ import annotations

import itertools
import queue
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from harness.api import ApiError
from harness.bench import population
from harness.bench.population import CONNECTIONS, Connections
from harness.bench.targets import Measured
from harness.verdicts import Inconclusive
from harness.world import PASSWORD, World
from netlab import LabHost, NetlabError

_BATCHES = 4
_HUB_ALONE_SHARE = 5
"""One organization without clients for so many with clients."""
_PING_EVERY = 0.1
_DEADLINE = 10.0
# They may only be told apart from those of another batch.
_numbers = itertools.count()


@dataclass(frozen=True)
class _Batch:
    """What came of a batch.

    Attributes:
        seconds: of each organization whose mesh works, from its sign-up to the first answered ping.
        errors: what the others met.
        rate: working meshes a second, taking clients down included.
    """

    seconds: list[float]
    errors: list[str]
    rate: float


def measure(world: World, organizations: int, tell: Callable[[str], None]) -> dict[str, Measured]:
    """Batches with clients take turns with batches of the same calls without any.

    A customer's machine is a host of the lab with stock wg-quick. There are two for each connection, which serve one
    organization after the other: what it takes to end a tunnel counts into the rate, but not into the time.

    Args:
        organizations: to sign up with clients.
    """
    hosts: queue.SimpleQueue[tuple[LabHost, LabHost]] = queue.SimpleQueue()
    for _ in range(CONNECTIONS):
        hosts.put((world.client("first"), world.client("second")))
    connections = Connections(world.service)
    size = max(1, organizations // _BATCHES)
    batches, alone = [], []
    try:
        for number in range(_BATCHES):
            batches.append(_batch(connections, hosts, size))
            start = time.monotonic()
            count = max(CONNECTIONS, size // _HUB_ALONE_SHARE)
            population.sign_up(world.service, f"without-clients-{number}", count, 2)
            alone.append(count / (time.monotonic() - start))
            tell(
                f"onboarding, batch {number + 1} of {_BATCHES}: {batches[-1].rate:.1f}/s with clients "
                f"({len(batches[-1].errors)} errors), {alone[-1]:.1f}/s without"
            )
    finally:
        connections.close()
    return _summary(batches, alone, size * _BATCHES)


def _summary(batches: list[_Batch], alone: list[float], asked: int) -> dict[str, Measured]:
    seconds = sorted(each for batch in batches for each in batch.seconds)
    errors = [each for batch in batches for each in batch.errors]
    if len(seconds) < 2:
        raise Inconclusive(f"no mesh came to work: {errors[0] if errors else 'none was asked for'}")
    rates = [batch.rate for batch in batches]
    said = f"{asked} organizations, {len(errors)} errors{f' ({errors[0]})' if errors else ''}"
    text = f"{said}, {CONNECTIONS} at once; the same calls without clients: {statistics.median(alone):.1f}/s"
    p95 = statistics.quantiles(seconds, n=20)[18]
    return {
        "onboarding-rate": Measured(statistics.median(rates), text, (min(rates), max(rates))),
        "onboarding-p95": Measured(
            p95, f"{said}; median {statistics.median(seconds):.2f} s", (seconds[0], seconds[-1])
        ),
    }


def _batch(connections: Connections, hosts: queue.SimpleQueue[tuple[LabHost, LabHost]], size: int) -> _Batch:
    seconds: list[float] = []
    errors: list[str] = []

    def one(_: int) -> None:
        pair = hosts.get()
        try:
            seconds.append(_onboard(connections, pair))
        except (ApiError, NetlabError, Inconclusive) as error:
            errors.append(str(error).splitlines()[0])
        finally:
            hosts.put(pair)

    start = time.monotonic()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(one, range(size)))
    return _Batch(seconds, errors, len(seconds) / (time.monotonic() - start))


def _onboard(connections: Connections, pair: tuple[LabHost, LabHost]) -> float:
    number = next(_numbers)
    # Of its own for each: the program that served the last link may still be about to end.
    link = f"m{number}"
    start = time.monotonic()
    with connections.one() as api:
        api.sign_up(f"customer{number}@example.net", PASSWORD, f"customer-{number}")
        added = [api.call("POST", "/machines", {"name": name}).body for name in ("mumbai", "pune")]
    tunnels = []
    try:
        for host, answer in zip(pair, added, strict=True):
            host.wg_quick(answer["config"], f"{link}.conf")
            tunnels.append(host)
        first, address = pair[0], added[1]["machine"]["address"]
        while not first.ping(address, timeout=_PING_EVERY):
            if time.monotonic() - start > _DEADLINE:
                raise Inconclusive(f"the first ping was not answered in {_DEADLINE:.0f} s")
        return time.monotonic() - start
    finally:
        for host in tunnels:
            # Its addresses and routes go with the link, and userspace WireGuard ends without one.
            host.netlink.delete_link(link)
