"""Snapshot of a host's front door, read back by the host's own tools."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

from harness.proof.errors import Unmodelled
from harness.proof.front_door.claims import DESK, GATE, INNER, LEASE_S, OFFERS, SESSIONS, check
from harness.proof.front_door.parse import parse
from harness.proof.front_door.statements import Door
from harness.proof.readback import Run, check_programs, without_handles

_HARMLESS = frozenset((
    "match", "counter", "accept", "drop", "reject", "return", "continue", "jump", "goto", "vmap", "limit", "quota",
    "log", "set", "map", "meter", "ct count", "notrack", "comment", "snat", "dnat", "masquerade", "redirect",
))  # fmt: skip
"""Statements that other tables may have.

They may drop a datagram. NAT is for connections that are tracked, and the front door's datagrams are not.
"""


@dataclass(frozen=True)
class DoorReading:
    """A host's rules as the tools printed them.

    Attributes:
        table: name of the front door's table.
        listing: of ``nft -j -t list ruleset``, without elements of sets.
        inner: ports of the links.
        desk: ports of the hub's process for known sources.
        links: index of each link by its name.
        kernel: its release.
        text: the front door's table in nft's language, with handles and without elements and counts.
        gate: name of the table of a lease's gate; None where there is none.
        lasting: sets of the gate with an element that outlasts a lease.
    """

    table: str
    listing: dict[str, Any]
    inner: frozenset[int]
    desk: frozenset[int]
    links: dict[str, int]
    kernel: str
    text: str = ""
    gate: str | None = None
    lasting: tuple[str, ...] = ()

    @property
    def entries(self) -> list[tuple[str, Any]]:
        """Kinds and objects of the listing."""
        return _entries(self.listing)

    def parsed(self) -> Door:
        """The front door's table, parsed.

        Raises:
            Unmodelled: something in it, or in another table, has no meaning here.
        """
        return self._parsed

    @cached_property
    def _parsed(self) -> Door:
        entries = self.entries
        _check_others(entries, self.table)
        door = parse(entries, self.table, self.links)
        check(door)
        if 0 in self.inner or self.inner & self.desk:
            raise Unmodelled("a port of a link that is another one's too", f"table inet {self.table}")
        return door

    @property
    def digest(self) -> str:
        """SHA-256 of all rules and of the ports; equal rules that are loaded anew have the same one."""
        rules = [without_handles(each) for each in self.listing["nftables"] if "counter" not in each]
        content = [rules, sorted(self.inner), sorted(self.desk), self.links]
        return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_door(run: Run) -> DoorReading:
    """Reads a host's front door back.

    Args:
        run: runs a program in the network namespace that has the public port.

    Raises:
        Unmodelled: there is none, or several, or it changed while it was read; or other programs of the kernel touch
            packets.
    """
    links = json.loads(run("ip", "-j", "link"))
    check_programs(run, links)
    before = _read(run, links)
    if before != _read(run, links):
        raise Unmodelled("a front door that changes while it is read", "nftables")
    return before


def _read(run: Run, links: Iterable[Mapping[str, Any]]) -> DoorReading:
    listing = json.loads(run("nft", "-j", "-t", "list", "ruleset"))
    listing["nftables"] = [_without_counts(each) for each in listing["nftables"]]
    entries = _entries(listing)
    table = _table(entries)
    gates = _tables(entries, frozenset(name for pair in GATE for name in pair))
    if len(gates) > 1:
        raise Unmodelled(f"a host with {len(gates)} gates of leases", "nftables")
    inner, desk = (_ports(json.loads(run("nft", "-j", "list", "set", "inet", table, name))) for name in (INNER, DESK))
    indexes = {each["ifname"]: each["ifindex"] for each in links}
    text = run("nft", "-a", "-s", "-t", "list", "table", "inet", table)
    lasting = tuple(_lasting(run, gates[0])) if gates else ()
    kernel = run("uname", "-r").strip()
    return DoorReading(table, listing, inner, desk, indexes, kernel, text, next(iter(gates), None), lasting)


def _lasting(run: Run, gate: str) -> Iterator[str]:
    """Sets of a gate with an element that the kernel does not take before a lease is over."""
    for _, name in GATE:
        listing = json.loads(run("nft", "-j", "list", "set", "inet", gate, name))
        elements = [each for kind, body in _entries(listing) if kind == "set" for each in body.get("elem", ())]
        # nft tells whole seconds; one that has less than a second left has a time-out all the same.
        if not all(isinstance(each, dict) and 0 <= each["elem"].get("timeout", -1) <= LEASE_S for each in elements):
            yield name


def _entries(listing: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [next(iter(entry.items())) for entry in listing["nftables"]]


def _without_counts(entry: dict[str, Any]) -> dict[str, Any]:
    """An object without what packets count up."""
    return {
        kind: {key: each for key, each in body.items() if key not in ("packets", "bytes")}
        if kind == "counter"
        else body
        for kind, body in entry.items()
    }


def _table(entries: Sequence[tuple[str, Any]]) -> str:
    """The table that has the front door's maps."""
    found = _tables(entries, frozenset((SESSIONS, OFFERS, INNER, DESK)))
    if len(found) != 1:
        raise Unmodelled(f"a host with {len(found)} front doors", "nftables")
    return found[0]


def _tables(entries: Iterable[tuple[str, Any]], wanted: frozenset[str]) -> list[str]:
    """Tables of the family ``inet`` that have sets or maps of all these names."""
    names: dict[str, set[str]] = {}
    for kind, each in entries:
        if kind in ("set", "map") and each["family"] == "inet":
            names.setdefault(each["table"], set()).add(each["name"])
    return [table for table, sets in names.items() if wanted <= sets]


def _ports(listing: Mapping[str, Any]) -> frozenset[int]:
    sets = (body for kind, body in _entries(listing) if kind == "set")
    return frozenset(int(element) for each in sets for element in each.get("elem", ()))


def _check_others(entries: Iterable[tuple[str, Any]], door: str) -> None:
    """Refuses rules of other tables that change a datagram or lead it elsewhere.

    Raises:
        Unmodelled: there is one.
    """
    for kind, each in entries:
        if kind != "rule" or (each["family"], each["table"]) == ("inet", door):
            continue
        where = f"table {each['family']} {each['table']}, chain {each['chain']}, handle {each['handle']}"
        for statement in each["expr"]:
            # Text is nft's for a change of a map, which is that table's own.
            if isinstance(statement, dict) and not _is_harmless(statement):
                raise Unmodelled(f"the statement {', '.join(statement)} beside the front door", where)


def _is_harmless(statement: Mapping[str, Any]) -> bool:
    if set(statement) == {"mangle"}:
        return not {"payload", "exthdr"} & set(statement["mangle"]["key"])
    return set(statement) <= _HARMLESS
