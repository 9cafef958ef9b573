"""Remains of organizations: on the hub's host and in the service's files, and what two censuses differ in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from harness.judging.verdicts import Inconclusive
from harness.subject.installed import Installed
from netlab import Host

_FOUND, _NOTHING = 0, 1
"""Exit codes of grep(1)."""

BY_THE_CLOCK = frozenset({"decided_packets"})
"""Tables to which the service adds by itself: at each full hour, for every organization that had packets."""


def on_host(hub: Host) -> frozenset[str]:
    """Lists namespaces, links, sockets, nftables rules, files below ``/run`` and WireGuard processes of a host."""
    lab = {"LAB": str(hub.folder.parent)}
    listed = hub.run("sh", "-ec", _LOOK, env=lab).stdout.splitlines()
    return frozenset(" ".join(line.split()) for line in listed)


def in_files(service: Installed, texts: Iterable[str]) -> list[str]:
    """Searches the service's data folder, ``/run`` and its database: free pages of SQLite too, rows of PostgreSQL.

    Returns:
        The texts that a file contains.

    Raises:
        Inconclusive: a file can't be read, or disappeared meanwhile.
    """
    lab = service.host.folder.parent.name
    how = "--recursive --devices=skip --text --only-matching --fixed-strings --no-filename --file=-"
    done = service.host.run(
        *("grep", *how.split(), "--exclude-dir=netns", f"--exclude-dir={lab}", *map(str, service.searched())),
        input="\n".join(texts),
        check=False,
    )
    if done.returncode not in (_FOUND, _NOTHING):
        raise Inconclusive(f"the service's files can't be searched: {done.stderr}")
    return sorted(set(done.stdout.splitlines()))


def in_census(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Lists what differs between two censuses of `Installed.census`: organizations, their objects and numbers of rows.

    Rows that the service adds by the clock are left out: an hour may end between the two.
    """
    was, now = frozenset(_entries(before)), frozenset(_entries(after))
    return [*(f"gone: {each}" for each in sorted(was - now)), *(f"new: {each}" for each in sorted(now - was))]


def _entries(census: Mapping[str, Any]) -> Iterator[str]:
    for organization, found in census.items():
        rows = ((table, count) for table, count in found["rows"].items() if table not in BY_THE_CLOCK)
        facts = ((name, value) for name, value in found.items() if name != "rows")
        yield from (f"{organization}: {name} {value}" for name, value in (*facts, *rows))


# The lab's own folder lies below /run. Counters and the front door's dynamic sets are left out: traffic changes them.
_LOOK = r"""
ip netns list | cut -d' ' -f1 | sed 's/^/namespace /'
ip -oneline link | cut -d: -f2 | sed 's/^/link /'
ss --no-header --listening --udp --numeric | awk '{ print "socket", $4 }'
find /run \( -path /run/netns -o -path "$LAB" \) -prune -o -print | sed 's/^/file /'
nft --stateless --terse list ruleset | sed 's/^/rule /'
nft list tables | while read -r _ family table; do
    nft --stateless list set "$family" "$table" inner | sed 's/^/inner /'
done
for command in /proc/[0-9]*/cmdline; do
    tr '\0' ' ' < "$command" 2>/dev/null | grep -E '^[^ ]*(wireguard-go|boringtun)' | sed 's/^/process /' || true
done
"""
