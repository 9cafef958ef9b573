"""TCP from machine to machine through the hub, in turns with the baseline."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable

from harness.bench.goals import Measured
from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive
from harness.overlay.mesh import Machine, rule_between
from harness.world.world import World
from netlab import Host
from netlab.examples import plainhub

PORT = 5201
_MANY_RULES = 10_000
_WARM_UP = 1
_SERVER_DEADLINE, _POLL = 10.0, 0.2


def measure(world: World, rounds: int, seconds: int, tell: Callable[[str], None]) -> dict[str, Measured]:
    """Bare hub, hub, and hub with 10,000 rules take turns; each ratio is of neighbours in one round.

    Args:
        rounds: how often each has its turn.
        seconds: of each turn.
        tell: is told what each turn came to.
    """
    mesh = world.organization(Record())
    mumbai, pune = mesh.machines("mumbai", "pune")
    router, address = world.bare_host()
    other = plainhub.connect(router, address, [mumbai.host, pune.host]).addresses[1]
    server = pune.host.start("iperf3", "--server", "--forceflush", "--port", str(PORT))
    server.wait_for_log("Server listening", 10.0)
    few, many = mesh.rules, _many_rules(mumbai, pune)
    results: dict[str, list[float]] = {"bare": [], "hub": [], "rules": []}
    for number in range(rounds):
        results["bare"].append(rate(mumbai.host, other, seconds))
        results["hub"].append(rate(mumbai.host, pune.address, seconds))
        mesh.save("allow", many)
        results["rules"].append(rate(mumbai.host, pune.address, seconds))
        mesh.save("allow", few)
        turns = ", ".join(f"{name} {values[-1] / 1e6:.0f} Mbit/s" for name, values in results.items())
        tell(f"throughput, round {number + 1} of {rounds}: {turns}")
    server.stop()
    return {
        "throughput": _ratio(results["hub"], results["bare"], "bare hub"),
        "throughput-10000-rules": _ratio(results["rules"], results["hub"], "no rules"),
    }


def _many_rules(source: Machine, destination: Machine) -> list[dict[str, str]]:
    """Rules that all have to be asked about the packets of the run, and none of which speaks of them."""
    first = PORT + 1000
    ports = range(first, first + _MANY_RULES)
    return [rule_between("deny", source, destination, protocol="tcp", ports=str(port)) for port in ports]


def rate(client: Host, address: str, seconds: int) -> float:
    """Bits of TCP payload a second that arrive at an iperf3 server on `PORT`, measured for some seconds.

    Raises:
        Inconclusive: iperf3 could not measure it.
    """
    deadline = time.monotonic() + _SERVER_DEADLINE
    while True:
        done = client.run(
            "iperf3",
            *("--client", address, "--port", str(PORT), "--time", str(seconds), "--omit", str(_WARM_UP), "--json"),
            timeout=seconds + _WARM_UP + 20.0,
            check=False,
        )
        told = json.loads(done.stdout or "{}")
        complaint = told.get("error")
        if complaint is None and "sum_received" in told.get("end", {}):
            return float(told["end"]["sum_received"]["bits_per_second"])
        # The server takes one client at a time, and the last one's end a moment later than that one itself.
        if "busy" not in str(complaint) or time.monotonic() > deadline:
            raise Inconclusive(f"iperf3 measured nothing: {complaint or done.stderr or done.stdout[-200:]}")
        time.sleep(_POLL)


def _ratio(values: list[float], baseline: list[float], name: str) -> Measured:
    ratios = [value / beside for value, beside in zip(values, baseline, strict=True)]
    median = statistics.median(baseline) / 1e6
    return Measured(statistics.median(ratios), f"{name}: {median:.0f} Mbit/s", (min(ratios), max(ratios)))
