"""Capacity of an installation with many hubs, computed from measured figures: pure.

The figures come from one small machine. What follows from them for larger ones is arithmetic, in proportion to
processors and memory: it was not run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

SIZES = (1_000, 10_000, 100_000)
"""Numbers of organizations that the tables are for."""

_MEASURED_PROCESSORS = 2
_REKEYS_S = 120
# Hubs share the keys of etcd's one cluster and the database with everything else.
_SHARE = 0.5
_READS_OF_RENEWAL_S = 0.4
_SPARE = 1


class Unreadable(Exception):
    """The file of figures can't be read or has another content; the message is a sentence."""


class Figure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A figure and where it stands.

    Attributes:
        file: path in the repository.
        words: its words in that file.
    """

    value: float
    file: str
    words: str


class Hosts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Assumptions about an installation.

    Attributes:
        used: share of a host that is used.
        failover_s: longest time until a shard's organizations are all back at another host.
        requests_each_per_minute: of one organization, one in ten a save.
    """

    processors: int
    memory_gb: float
    used: float
    machines_each: int
    failover_s: float
    requests_each_per_minute: float


class Figures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that the model takes from elsewhere; docs/scale.md says what each is."""

    hosts: Hosts
    organization_mb: Figure
    organizations_restored_per_s: Figure
    idle_processors_per_1000: Figure
    read_ms: Figure
    save_web_ms: Figure
    save_hub_ms: Figure
    sign_ups_per_s: Figure
    throughput_mbit: Figure
    etcd_reads_per_s: Figure
    etcd_renewals_per_s: Figure
    commits_per_s: Figure
    shard_process_mb: Figure
    questions_per_s: Figure
    takeover_s: Figure
    ports: Figure
    resumed_machines: Figure
    known_machines: Figure
    handshakes_per_s: Figure

    def sources(self) -> Iterator[tuple[str, Figure]]:
        """Yields each figure by its name."""
        for name in self.__struct_fields__:
            each = getattr(self, name)
            if isinstance(each, Figure):
                yield name, each


def load(path: Path) -> Figures:
    """Reads a file of figures (TOML).

    Raises:
        Unreadable: it can't be read, or is none.
    """
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Figures)
    except (OSError, msgspec.DecodeError) as error:
        raise Unreadable(f"{path} is no file of figures: {error}.") from None


@dataclass(frozen=True)
class Limit:
    """A part that is full at a number of organizations.

    Attributes:
        of: what is full.
        organizations: how many it carries.
        by: the figures behind it, in words.
        grows: what makes it carry more.
    """

    of: str
    organizations: int
    by: str
    grows: str


def limits(found: Figures) -> list[Limit]:
    """Lists what one of each part carries, the tightest first."""
    hosts = found.hosts
    memory_mb = hosts.memory_gb * 1000 * hosts.used
    requests = hosts.requests_each_per_minute / 60
    web_ms = 0.9 * found.read_ms.value + 0.1 * found.save_web_ms.value
    made = [
        *_limits_of_a_shard(found),
        Limit(
            "one host's memory",
            int(memory_mb / found.organization_mb.value),
            f"{found.organization_mb.value:g} MB each",
            "more hosts; the kernel's WireGuard, which saves 1.5 MB each",
        ),
        Limit(
            "one host's processors, without traffic",
            _carried_by_processors(found),
            f"{found.idle_processors_per_1000.value:g} processors for 1,000",
            "more hosts; the kernel's WireGuard",
        ),
        Limit(
            "one web process",
            int(1000 * hosts.used / web_ms / requests),
            f"{web_ms:.2f} ms a request, {hosts.requests_each_per_minute:g} a minute each, one in ten a save",
            "more hosts",
        ),
        Limit(
            "the database",
            int(_SHARE * found.commits_per_s.value / (0.1 * requests)),
            f"{found.commits_per_s.value:,.0f} commits a second, half of them for saves",
            "a larger server; saves are the only load that grows",
        ),
        Limit(
            "a store's ports of links",
            int(found.ports.value),
            "each organization of a store has one of its own",
            "ports by shard, which is not there yet",
        ),
    ]
    return sorted(made, key=lambda each: each.organizations)


def _limits_of_a_shard(found: Figures) -> list[Limit]:
    hosts = found.hosts
    restored = found.organizations_restored_per_s.value / _MEASURED_PROCESSORS * hosts.processors
    left_s = hosts.failover_s - found.takeover_s.value
    return [
        Limit(
            f"one shard, all of it back within {hosts.failover_s:g} s",
            int(left_s * restored),
            f"{left_s:g} s after the takeover, {restored:.0f} restored a second",
            "more shards",
        ),
        Limit(
            "one shard's memory of last endpoints",
            int(found.resumed_machines.value / hosts.machines_each),
            f"{found.resumed_machines.value:,.0f} machines",
            "more shards",
        ),
        Limit(
            "one shard's pace of handshakes",
            int(found.handshakes_per_s.value * _REKEYS_S / hosts.machines_each),
            f"{found.handshakes_per_s.value:,.0f} a second, one of each machine in {_REKEYS_S} s",
            "more shards",
        ),
    ]


def _carried_by_processors(found: Figures) -> int:
    """Organizations without traffic that the processors of one host carry."""
    return int(found.hosts.processors * found.hosts.used / found.idle_processors_per_1000.value * 1000)


@dataclass(frozen=True)
class Installation:
    """Parts that a number of organizations takes.

    Attributes:
        shards: with as many organizations as are back in time.
        hosts: for memory and processors, with one to spare.
        processes_gb: memory on each host of the processes that wait for shards.
        etcd_share: share of what etcd answers that waiting and renewing take.
        is_possible: False if a limit that nothing raises yet is in the way.
    """

    organizations: int
    machines: int
    shards: int
    hosts: int
    processes_gb: float
    etcd_share: float
    is_possible: bool


def installation(found: Figures, organizations: int) -> Installation:
    """Computes the parts that so many organizations take."""
    hosts = found.hosts
    shards = math.ceil(organizations / min(each.organizations for each in _limits_of_a_shard(found)))
    processes_gb = shards * found.shard_process_mb.value / 1000
    room_mb = (hosts.memory_gb - processes_gb) * 1000 * hosts.used
    by_memory = organizations * found.organization_mb.value / room_mb if room_mb > 0 else math.inf
    by_processors = organizations / _carried_by_processors(found)
    if math.isinf(by_memory):
        return Installation(organizations, organizations * hosts.machines_each, shards, 0, processes_gb, 0.0, False)
    count = math.ceil(max(by_memory, by_processors)) + _SPARE
    waiting = shards * (count - 1) * found.questions_per_s.value / found.etcd_reads_per_s.value
    renewing = shards / _READS_OF_RENEWAL_S / found.etcd_renewals_per_s.value
    share = waiting + renewing
    is_possible = organizations <= found.ports.value and share <= _SHARE
    return Installation(
        organizations, organizations * hosts.machines_each, shards, count, processes_gb, share, is_possible
    )


def tables(found: Figures) -> str:
    """Formats both tables as Markdown."""
    lines = ["| part | organizations that it carries | by | what raises it |", "| --- | --- | --- | --- |"]
    lines += [f"| {each.of} | {each.organizations:,} | {each.by} | {each.grows} |" for each in limits(found)]
    lines += [
        "",
        "| organizations | machines | shards | hosts | memory of waiting processes, each host | share of etcd | |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for size in SIZES:
        made = installation(found, size)
        verdict = "fits" if made.is_possible else "does not fit yet"
        hosts = str(made.hosts) if made.hosts else "no number"
        lines.append(
            f"| {made.organizations:,} | {made.machines:,} | {made.shards:,} | {hosts} | {made.processes_gb:.1f} GB | "
            f"{made.etcd_share:.0%} | {verdict} |"
        )
    return "\n".join(lines)
