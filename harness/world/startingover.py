"""Rules that a hub has after a start, beside those that it compiles when it starts over none."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from harness.judging.verdicts import Refuted
from harness.proof import Reading, read
from harness.proof.replay.restoring import comparable
from harness.subject.service import Service
from harness.world.customer import DEADLINE_S
from harness.world.proving import namespace_of, run_there
from netlab import wait_until

DIFFER = "the rules differ from those of a fresh compile"
_CONTAINERS = ("metainfo", "chain", "rule")
_MOST_NAMED = 10
_HOOK = ("type", "hook", "prio", "policy")


def rules_of(service: Service, organization: str) -> Reading:
    """Reads the rules of an organization's namespace."""
    run = run_there(service)
    namespace = namespace_of(organization, run)
    return read(lambda *words: run(["ip", "netns", "exec", namespace, *words]))


@dataclass(frozen=True)
class Contents:
    """Parts of a namespace's rules, without the kernel's numbers and values of counters.

    Attributes:
        objects: kind, family, table and name of tables, counters, sets and others.
        hooks: for each chain, its name, type, hook, priority and policy.
        rules: parsed rules of each chain, by table and chain.
    """

    objects: frozenset[tuple[str, ...]]
    hooks: frozenset[tuple[Any, ...]]
    rules: Mapping[str, Any]

    def differences(self, other: Contents) -> list[str]:
        """Names what only one of two namespaces has, and chains whose rules differ."""
        of_chains = {name for name in {*self.rules, *other.rules} if self.rules.get(name) != other.rules.get(name)}
        return [
            *(" ".join(map(str, each)) for each in sorted(self.objects ^ other.objects)),
            *(" ".join(map(str, each)) for each in sorted(self.hooks ^ other.hooks, key=str)),
            *(f"rules of {name}" for name in sorted(of_chains)),
        ]


def contents(reading: Reading) -> Contents:
    """Returns what a namespace's rules consist of. A link that was made anew counts as the same one."""
    names = sorted(each["ifname"] for each in reading.links)
    reading = replace(reading, links=[{"ifindex": at, "ifname": name} for at, name in enumerate(names, 1)])
    entries = [kind for entry in reading.listing["nftables"] for kind in entry.items()]
    return Contents(
        frozenset(
            (kind, str(each.get("family")), str(each.get("table")), each["name"])
            for kind, each in entries
            if kind not in _CONTAINERS
        ),
        frozenset((each["name"], *map(each.get, _HOOK)) for kind, each in entries if kind == "chain"),
        {
            f"{table} {chain}": rules
            for table, chains in comparable(reading.parsed()[0])
            for chain, rules in chains.items()
        },
    )


def crash_without_rules(service: Service, organizations: Collection[str]) -> None:
    """Kills all processes of the service, and removes the rules of organizations (ids), as the next boot would."""
    service.crash()
    run = run_there(service)
    for each in organizations:
        run(["ip", "netns", "exec", namespace_of(each, run), "nft", "flush", "ruleset"])


def compiled_afresh(service: Service, organizations: Collection[str]) -> dict[str, Contents]:
    """Kills the service, removes the rules of organizations, and starts it again.

    Args:
        organizations: ids of organizations.

    Returns:
        The contents of each one's rules.
    """
    crash_without_rules(service, organizations)
    service.start(is_forked=True)
    return {each: contents(rules_of(service, each)) for each in organizations}


def require_like(service: Service, fresh: Mapping[str, Contents], patience: float) -> None:
    """Waits until organizations have the rules of a fresh compile, and nothing else: remains may stay for a moment.

    Args:
        fresh: result of `compiled_afresh`.
        patience: factor by which this machine is slower than usual.

    Raises:
        Refuted: an organization's rules differ.
    """

    def differences() -> list[str]:
        found = (contents(rules_of(service, each)).differences(wanted) for each, wanted in fresh.items())
        return list(chain.from_iterable(found))

    if not wait_until(lambda: not differences(), DEADLINE_S * patience):
        raise Refuted(f"{DIFFER}: {', '.join(differences()[:_MOST_NAMED])}")
