"""Snapshot of a namespace's rules, routes and settings, read back by the host's own tools."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from typing import Any

from harness.proof import parse, routing
from harness.proof.errors import Unmodelled
from harness.proof.listing import KernelSets
from harness.proof.routing import Routing
from harness.proof.ruleset import Ruleset

Run = Callable[..., str]
"""Runs a program with its arguments in the namespace and returns its standard output."""

# A shell's glob, since a namespace may have links of any name.
_SETTINGS = (
    "for file in /proc/sys/net/ipv4/ip_forward"
    " /proc/sys/net/ipv4/conf/*/rp_filter /proc/sys/net/ipv4/conf/*/accept_local"
    " /proc/sys/net/ipv4/conf/*/src_valid_mark /proc/sys/net/ipv4/conf/*/route_localnet"
    " /proc/sys/net/ipv4/conf/*/forwarding"
    " /proc/sys/net/ipv4/conf/*/bc_forwarding /proc/sys/net/ipv4/conf/*/mc_forwarding"
    " /proc/sys/net/ipv4/conf/all/accept_source_route /proc/sys/net/netfilter/nf_conntrack_helper"
    " /proc/sys/net/ipv6/conf/all/disable_ipv6 /proc/sys/net/ipv6/conf/all/forwarding; do"
    ' [ ! -r "$file" ] || echo "$file $(cat "$file")"; done'
)
# Tables of iptables that are in use in this namespace; nft does not list them.
_LEGACY_TABLES = "[ ! -r /proc/net/ip_tables_names ] || cat /proc/net/ip_tables_names"
# Kernels and distributions give these to links by default. Nothing can be attached to them that looks at packets: `mq`
# has a discipline for each queue of a network card, which is listed by itself.
_PLAIN = ("noqueue", "pfifo_fast", "pfifo", "fq", "mq")
# The default of Debian and Ubuntu, to which tc(8) attaches filters and their actions.
_FILTERABLE = "fq_codel"
_DEFAULT_HANDLE = "0:"
_SYSCTL = "/proc/sys/"
_TRIES = 5
_LITTLE_ENDIAN = ("x86_64", "aarch64", "i686", "armv7l", "riscv64", "ppc64le", "loongarch64")


@dataclass(frozen=True)
class Reading:
    """A namespace's state as the tools printed it.

    Attributes:
        listing: of ``nft -j list ruleset``.
        elements: of ``nft --debug=netlink list ruleset``.
        routes, rules, links: of ``ip -j``.
        settings: values by sysctl's name.
        kernel: release and machine of ``uname``.
    """

    listing: dict[str, Any]
    elements: str
    routes: list[dict[str, Any]]
    rules: list[dict[str, Any]]
    links: list[dict[str, Any]]
    settings: dict[str, str]
    kernel: tuple[str, str] = field(default=("", ""))

    def parsed(self) -> tuple[Ruleset, Routing]:
        """The ruleset and the routing, parsed once.

        Raises:
            Unmodelled: a part of them has no meaning here.
        """
        return self._parsed

    @cached_property
    def _parsed(self) -> tuple[Ruleset, Routing]:
        if self.kernel[1] not in _LITTLE_ENDIAN:
            # Hashes and the kernel's listing of elements are in the host's order of bytes.
            raise Unmodelled(f"the machine {self.kernel[1]}", "host")
        by_name = self.link_indexes
        return (
            parse.parse(self.listing, by_name, KernelSets(self.elements)),
            routing.parse(self.rules, self.routes, by_name, self.settings),
        )

    @property
    def link_indexes(self) -> Mapping[str, int]:
        """Index of each link by its name."""
        return {each["ifname"]: each["ifindex"] for each in self.links}

    @property
    def digest(self) -> str:
        """SHA-256 of all that decides about a packet; equal rules that are loaded anew have the same one."""
        listed = [without_handles(each) for each in _rules(self.listing)]
        content = [listed, self.routes, self.rules, self.links, self.settings]
        return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def without_handles(value: Any) -> Any:
    """A listing without the kernel's numbers of objects, which differ when equal rules are loaded anew."""
    if isinstance(value, dict):
        return {key: without_handles(each) for key, each in value.items() if key != "handle"}
    return [without_handles(each) for each in value] if isinstance(value, list) else value


def read(run: Run) -> Reading:
    """Reads a namespace back, twice: what is equal both times was there at once, between the two.

    If something changes meanwhile, as when a hub removes remains of a save, it is read again.

    Raises:
        Unmodelled: something changed at each try, or other programs of the kernel touch packets.
    """
    what = ""
    for _ in range(_TRIES):
        reading = _read_once(run)
        elements = run("nft", "--debug=netlink", "list", "ruleset")
        what = _changed(reading, _read_once(run))
        if not what:
            return replace(reading, elements=elements)
    raise Unmodelled(f"{what} while it is read", "host")


def _changed(one: Reading, other: Reading) -> str:
    """Name what differs between two readings; "" if nothing does."""
    pairs = {
        "a ruleset that changes": (_rules(one.listing), _rules(other.listing)),
        "a routing table that changes": (one.routes, other.routes),
        "a list of routing rules that changes": (one.rules, other.rules),
        "a list of links that changes": (one.links, other.links),
        "a setting that changes": (one.settings, other.settings),
    }
    return next((what for what, (before, after) in pairs.items() if before != after), "")


def _read_once(run: Run) -> Reading:
    """Reads everything but the kernel's own elements."""
    links = _decoded(run("ip", "-j", "link"))
    check_programs(run, links)
    if tables := run("sh", "-c", _LEGACY_TABLES).split():
        raise Unmodelled(f"the table {tables[0]} of iptables", "host")
    return Reading(
        json.loads(run("nft", "-j", "list", "ruleset")),
        "",
        _decoded(run("ip", "-4", "-j", "route", "show", "table", "all")),
        _decoded(run("ip", "-4", "-j", "rule", "show")),
        [{"ifindex": each["ifindex"], "ifname": each["ifname"]} for each in links],
        dict(_setting(line) for line in run("sh", "-c", _SETTINGS).splitlines()),
        _machine(run("uname", "-rm")),
    )


def check_programs(run: Run, links: Iterable[Mapping[str, Any]]) -> None:
    """Refuses links whose packets programs change, drop or redirect before or after nftables sees them.

    Args:
        run: runs a program in the links' namespace.
        links: as ``ip -j link`` prints them.

    Raises:
        Unmodelled: there is one.
    """
    for link in links:
        if "xdp" in link:
            raise Unmodelled("an XDP program", f"link {link['ifname']}")
    for discipline in _decoded(run("tc", "-j", "qdisc")):
        kind, place = discipline["kind"], f"link {discipline['dev']}"
        if kind not in (*_PLAIN, _FILTERABLE):
            raise Unmodelled(f"a queueing discipline {kind}", place)
        if kind == _FILTERABLE and _filters(run, discipline):
            raise Unmodelled(f"a filter of a queueing discipline {kind}", place)


def _filters(run: Run, discipline: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Filters of a queueing discipline. One that was made by default has no number; tc shows it for none, if any."""
    handle = discipline["handle"]
    parent = () if handle == _DEFAULT_HANDLE else ("parent", handle)
    return _decoded(run("tc", "-j", "filter", "show", "dev", discipline["dev"], *parent))


def _rules(listing: Mapping[str, Any]) -> list[Any]:
    return [each for each in listing["nftables"] if "counter" not in each]


def _decoded(text: str) -> list[dict[str, Any]]:
    # ip prints nothing where there is nothing.
    return [each for each in json.loads(text or "[]") if each]


def _setting(line: str) -> tuple[str, str]:
    path, _, value = line.partition(" ")
    return path.removeprefix(_SYSCTL).replace("/", "."), value


def _machine(text: str) -> tuple[str, str]:
    release, machine = text.split()
    return release, machine
