"""TCP throughput between machines through the hub, in turns with a bare WireGuard hub."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from harness.bench.beside import Measured, measured
from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive
from harness.overlay.machine import Machine
from harness.overlay.mesh import rule_between
from harness.world.world import World
from netlab import Host
from netlab.examples import plainhub

PORT = 5201
_MANY_RULES = 10_000
_WARM_UP = 1
_SERVER_DEADLINE, _POLL = 10.0, 0.2


def measure(world: World, rounds: int, seconds: int, tell: Callable[[str], None]) -> dict[str, Measured]:
    """Measures a bare hub, the hub, and the hub with 10,000 rules by turns; each ratio compares two turns of one round.

    Args:
        rounds: number of turns of each.
        seconds: seconds of each turn.
        tell: takes messages about progress.
    """
    mesh = world.organization(Record())
    mumbai, pune = mesh.machines("mumbai", "pune")
    router, address = world.router()
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
    """Returns rules that have to be looked up for the packets of the run and match none of them."""
    first = PORT + 1000
    ports = range(first, first + _MANY_RULES)
    return [rule_between("deny", source, destination, protocol="tcp", ports=str(port)) for port in ports]


def rate(client: Host, address: str, seconds: int) -> float:
    """Measures the bits of TCP payload per second that arrive at an iperf3 server on `PORT`.

    Raises:
        Inconclusive: iperf3 failed.
    """
    deadline = time.monotonic() + _SERVER_DEADLINE
    while True:
        done = client.run(
            "iperf3",
            *("--client", address, "--port", str(PORT), "--time", str(seconds), "--omit", str(_WARM_UP), "--json"),
            timeout=seconds + _WARM_UP + 20.0,
            check=False,
        )
        report = json.loads(done.stdout or "{}")
        error = report.get("error")
        if error is None and "sum_received" in report.get("end", {}):
            return float(report["end"]["sum_received"]["bits_per_second"])
        # The server takes one client at a time, and notices the end of the last one a moment later.
        if "busy" not in str(error) or time.monotonic() > deadline:
            raise Inconclusive(f"iperf3 measured nothing: {error or done.stderr or done.stdout[-200:]}")
        time.sleep(_POLL)


def _ratio(values: list[float], baseline: list[float], name: str) -> Measured:
    return measured([each / 1e6 for each in values], [each / 1e6 for each in baseline], "Mbit/s", name)
