"""Damage by force under a running stream: how long until its packets arrive again."""

from __future__ import annotations

import json
import os
import re
import signal
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from harness.bench.targets import Measured
from harness.record import Record
from harness.verdicts import Inconclusive
from harness.world import World
from netlab import Host, UdpStream

_INTERVAL = 0.001
_DEADLINE = 20.0
_WELL_S = 0.3
"""Seconds without a loss after which a stream counts as whole again."""
_UNDER_WAY_S = 0.06
"""How long a packet may take that is not lost."""
_MENDED = "damage was mended"
_POLL = 0.02

Damage = Callable[[Host, str], None]


def measure(world: World, rounds: int, tell: Callable[[str], None]) -> dict[str, Measured]:
    """Every kind of damage in turn, again and again. A machine's own timers would take minutes for most of them.

    Args:
        rounds: how often each kind is done.

    Raises:
        Inconclusive: something does not recover, or a damage did no harm.
    """
    mumbai, pune = world.organization(Record()).machines("mumbai", "pune")
    namespace = _only_namespace(world.hub_host)
    kinds = RULES | LINK
    outages: dict[str, list[float]] = {name: [] for name in kinds}
    mended: dict[str, list[float]] = {name: [] for name in kinds}
    with UdpStream(mumbai.host, pune.host, pune.address, 0, interval_s=_INTERVAL) as stream:
        stream.wait_delivery(0, _DEADLINE)
        for number in range(rounds):
            for name, damage in kinds.items():
                outage, seconds = _one(world, stream, name, damage, namespace)
                outages[name].append(outage * 1e3)
                mended[name].append(seconds * 1e3)
            tell(f"damage, round {number + 1} of {rounds}: {_told({n: v[-1:] for n, v in outages.items()})}")
    return {
        row: Measured(
            statistics.median(times := [each for name in of for each in outages[name]]),
            f"{len(times)} times; {_told({name: outages[name] for name in of})}; the service's own count from event to "
            f"repair: {statistics.median(each for name in of for each in mended[name]):.1f} ms",
            (min(times), max(times)),
        )
        for row, of in (("recovery-rules", RULES), ("recovery-link", LINK))
    }


def _told(times: dict[str, list[float]]) -> str:
    return ", ".join(f"{name} {statistics.median(values):.0f} ms" for name, values in times.items())


def _one(world: World, stream: UdpStream, name: str, damage: Damage, namespace: str) -> tuple[float, float]:
    """Seconds for which packets were lost, and seconds of the service's own account."""
    before = len(_repairs(world))
    start = stream.mark()
    damage(world.hub_host, namespace)
    _wait(lambda: len(_repairs(world)) > before, f"{name}: the service noticed nothing")
    mended = stream.mark()
    well_from = _wait(lambda: _well_since(stream, mended), f"{name}: the stream did not come back")
    outage = _outage(stream, start, well_from)
    if outage == 0.0 and name in LINK:
        raise Inconclusive(f"{name}: no packet was lost, so nothing was broken")
    return outage, sum(_repairs(world)[before:])


def _well_since(stream: UdpStream, mended_ns: int) -> int:
    """The instant, not before the repair, from which on all packets have arrived for a while; 0 if there is none."""
    end = stream.mark() - round(_UNDER_WAY_S * 1e9)
    start = end - round(_WELL_S * 1e9)
    well = start >= mended_ns and stream.sent_in(start, end) and not stream.lost_in(start, end)
    return start if well else 0


def _outage(stream: UdpStream, start_ns: int, end_ns: int) -> float:
    """From the first packet that was lost to the first that was sent after the last loss, in seconds."""
    lost = stream.lost_in(start_ns, end_ns)
    if not lost:
        return 0.0
    sent = stream.sent()
    return (sent[lost[-1] + 1].sent_ns - sent[lost[0]].sent_ns) / 1e9


def _repairs(world: World) -> list[float]:
    """Seconds of each repair that the service has logged."""
    lines = [line for line in world.service.log_text().splitlines() if _MENDED in line]
    found = [re.search(r"seconds[\"']?[=:] ?([0-9.e-]+)", line) for line in lines]
    return [float(each[1]) for each in found if each]


def _wait(condition: Callable[[], int], otherwise: str) -> int:
    deadline = time.monotonic() + _DEADLINE
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise Inconclusive(f"{otherwise} in {_DEADLINE:.0f} s")
        time.sleep(_POLL)
    return found


def _only_namespace(hub: Host) -> str:
    names = [line.split()[0] for line in hub.run("ip", "netns", "list").stdout.splitlines()]
    if len(names) != 1:
        raise Inconclusive(f"one organization, and {len(names)} namespaces on the hub's host")
    return names[0]


def _link(hub: Host, namespace: str) -> str:
    shown = json.loads(hub.run("ip", "-netns", namespace, "-json", "link", "show").stdout)
    return next(str(link["ifname"]) for link in shown if link["ifname"] != "lo")


def _flush_rules(hub: Host, namespace: str) -> None:
    hub.run("ip", "netns", "exec", namespace, "nft", "flush", "ruleset")


def _flush_routes(hub: Host, namespace: str) -> None:
    hub.run("ip", "-netns", namespace, "route", "flush", "table", "100")


def _delete_rule(hub: Host, namespace: str) -> None:
    hub.run("ip", "-netns", namespace, "rule", "del", "priority", "100")


def _delete_link(hub: Host, namespace: str) -> None:
    hub.run("ip", "-netns", namespace, "link", "del", _link(hub, namespace))


def _kill_wireguard(hub: Host, namespace: str) -> None:
    link = _link(hub, namespace).encode()
    for pid in hub.processes():
        with suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
            if words[-1] == link:
                os.kill(pid, signal.SIGKILL)
                return
    # The kernel's own WireGuard has no process; a link that goes is the nearest to it.
    _delete_link(hub, namespace)


RULES: dict[str, Damage] = {
    "ruleset flushed": _flush_rules,
    "routes flushed": _flush_routes,
    "routing rule deleted": _delete_rule,
}
LINK: dict[str, Damage] = {"link deleted": _delete_link, "WireGuard killed": _kill_wireguard}
