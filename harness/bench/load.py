"""Saves at a steady rate over many organizations, in turns with reads at the same rate."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec

from harness.bench import population
from harness.bench.beside import Measured
from harness.bench.population import BenchTenant
from harness.bench.saver import Order, SaverReport, TimedRequest
from harness.client.api import PREFIX
from harness.judging.verdicts import Inconclusive
from harness.subject.service import PORT
from harness.world.world import World

RATE = 200
_PROCESSES = 2
_CONNECTIONS = 16
"""Connections of each process."""
_LEAD_S = 1.0
"""Seconds until the first request is due, in which the clients start."""
_TURNS = 4
# A prime, so that each turn meets all organizations, in another order than that of their creation.
_STRIDE = 7919


@dataclass(frozen=True)
class _Turn:
    """Result of one turn.

    Attributes:
        seconds: time of each request that was answered with 200.
        refused: number of other requests.
        cpu: processors that the clients took, 1 for one.
    """

    seconds: list[float]
    refused: int
    cpu: float

    @property
    def p99_ms(self) -> float:
        return statistics.quantiles(self.seconds, n=100)[98] * 1e3


def measure(world: World, organizations: int, seconds: int, tell: Callable[[str], None]) -> dict[str, Measured]:
    """Measures 200 saves per second; each is enforced when it is answered.

    Args:
        organizations: number of organizations that the saves are spread over.
        seconds: time of saves in all four turns together.
        tell: takes messages about progress.

    Raises:
        Inconclusive: a request was refused, or a client failed.
    """
    tenants = population.sign_up(world.subject.service, "loaded", organizations, 2, tell)
    saves, reads = [], []
    for number in range(_TURNS):
        saves.append(_turn(world, tenants, seconds / _TURNS, partial(_save, number % 2)))
        reads.append(_turn(world, tenants, seconds / _TURNS, _read))
        tell(
            f"{RATE}/s, turn {number + 1} of {_TURNS}: p99 of saves {saves[-1].p99_ms:.1f} ms, "
            f"of reads {reads[-1].p99_ms:.1f} ms"
        )
    refused = sum(turn.refused for turn in saves + reads)
    if refused:
        raise Inconclusive(f"{refused} requests were refused under load")
    return {"save-p99-loaded": _summary(saves, reads, organizations)}


def _summary(saves: Sequence[_Turn], reads: Sequence[_Turn], organizations: int) -> Measured:
    every, read = _joined(saves), _joined(reads)
    median_ms = statistics.median(every.seconds) * 1e3
    text = (
        f"{every.p99_ms:.3g} ms beside {read.p99_ms:.3g} ms of GET /policy at the same pace; "
        f"{len(every.seconds)} saves over {organizations} organizations, median {median_ms:.1f} ms; "
        f"clients took {every.cpu:.2f} of a processor"
    )
    turns = tuple(mine.p99_ms / other.p99_ms for mine, other in zip(saves, reads, strict=True))
    return Measured(every.p99_ms / read.p99_ms, text, turns)


def _joined(turns: Sequence[_Turn]) -> _Turn:
    seconds = [each for turn in turns for each in turn.seconds]
    return _Turn(seconds, sum(turn.refused for turn in turns), statistics.mean(turn.cpu for turn in turns))


def _turn(
    world: World,
    tenants: Sequence[BenchTenant],
    seconds: float,
    request: Callable[[int, int, BenchTenant], TimedRequest],
) -> _Turn:
    start = time.monotonic_ns() + round(_LEAD_S * 1e9)
    count = round(seconds * RATE)
    requests = [
        request(start + round(number * 1e9 / RATE), number, tenants[number * _STRIDE % len(tenants)])
        for number in range(count)
    ]
    orders = [
        Order(
            world.subject.service.options.address,
            PORT,
            str(world.subject.service.certificate),
            _CONNECTIONS,
            tuple(requests[first::_PROCESSES]),
        )
        for first in range(_PROCESSES)
    ]
    reports = _run(orders, timeout_s=_LEAD_S + seconds + 60.0)
    return _Turn(
        [each for report in reports for each in report.seconds],
        sum(report.refused for report in reports),
        sum(report.cpu_s for report in reports) / seconds,
    )


def _run(orders: Sequence[Order], timeout_s: float) -> list[SaverReport]:
    clients = [
        subprocess.Popen([sys.executable, "-m", "harness.bench.saver"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in orders
    ]
    try:
        for client, order in zip(clients, orders, strict=True):
            assert client.stdin is not None
            client.stdin.write(msgspec.json.encode(order))
            client.stdin.close()
            client.stdin = None
        outputs = [client.communicate(timeout=timeout_s)[0] for client in clients]
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Inconclusive(f"a load client failed: {error}") from error
    finally:
        for client in clients:
            client.kill()
            client.wait()
    try:
        return [msgspec.json.decode(output, type=SaverReport) for output in outputs]
    except msgspec.DecodeError as error:
        raise Inconclusive("a load client printed no report") from error


def _save(odd: int, at_ns: int, number: int, tenant: BenchTenant) -> TimedRequest:
    """Returns a save that changes something: the port differs each time that the organization comes round."""
    source, destination = tenant.machines[:2]
    rule = {
        "action": "deny",
        "source": f"machine:{source}",
        "destination": f"machine:{destination}",
        "protocol": "tcp",
        "ports": str(1 + 2 * (number % 10_000) + odd),
    }
    body = json.dumps({"default": "allow", "rules": [rule]})
    return TimedRequest(at_ns, "PUT", PREFIX + "/policy", tenant.token, body)


def _read(at_ns: int, number: int, tenant: BenchTenant) -> TimedRequest:
    del number
    return TimedRequest(at_ns, "GET", PREFIX + "/policy", tenant.token)
