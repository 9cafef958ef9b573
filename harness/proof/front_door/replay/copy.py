"""A throwaway network namespace with a copy of a front door's table, and sockets in place of links and of the hub."""

from __future__ import annotations

import contextlib
import json
import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

from nftables import Nftables

from harness.proof.front_door.cases import Case
from harness.proof.front_door.claims import DESK
from harness.proof.front_door.parse import parse
from harness.proof.front_door.reading import DoorReading
from harness.proof.front_door.replay import observer
from harness.proof.front_door.replay.elements import Form
from harness.proof.front_door.replay.packets import ends_of, is_of_ipv4
from harness.proof.front_door.statements import LO, LOCAL, Compare, Door
from harness.proof.replay.errors import Unreplayable
from harness.proof.replay.tuns import namespace_of_tuns, run_program
from harness.proof.ruleset import Field
from netlab import wait_until

OUTSIDE = "outside"
_TABLE_OF_LO = "99"
_READY_S = 10.0
_HANDLE = re.compile(r"# handle (\d+)$")
_RATE = re.compile(r"limit rate (over )?\d+ ?\w*/\w+( burst \d+ \w+)?")
_UPDATED = re.compile(rf"(?:add|update) @(\w+) {{ [^{{}}]*?({_RATE.pattern}) }}")
_SETTINGS = {
    "ipv4/conf/all/rp_filter": "0",
    "ipv4/conf/outside/rp_filter": "0",
    "ipv4/conf/all/accept_local": "1",
    "ipv6/conf/all/disable_ipv6": "0",
    "ipv6/conf/outside/disable_ipv6": "0",
    "ipv6/conf/lo/disable_ipv6": "0",
    "ipv6/conf/all/accept_dad": "0",
}


@dataclass(frozen=True)
class Setting:
    """Circumstances that cases have in common if they go through one copy as it is.

    Attributes:
        own: addresses of the host.
        mark: that datagrams arrive with.
        beyond: handles of rules whose rate no datagram is within.
        sizes: number of elements for which some sets have room.
    """

    hook: str
    own: frozenset[str]
    mark: int
    beyond: frozenset[int]
    sizes: frozenset[tuple[str, int]]


def setting_of(case: Case, rates: Mapping[int, bool]) -> Setting:
    """The setting of a case.

    Args:
        rates: whether a rate goes on for what is beyond it, by the handle of its rule.

    Raises:
        Unreachable: its addresses can't be what they should be.
    """
    source, destination = ends_of(case)
    ends = {"fib saddr type": source, "fib daddr type": destination}
    parsed = IPv4Address if is_of_ipv4(case) else IPv6Address
    own = {str(parsed(address)) for name, address in ends.items() if case.fields[name] == LOCAL and _counts(case, name)}
    sizes = {
        (name, max(1, sum(each.there for (of, _), each in case.before.items() if of == name)))
        for name, has_room in case.room.items()
        if not has_room
    }
    beyond = {handle for handle, goes_on in case.rates.items() if goes_on == rates[handle]}
    mark = case.fields["meta mark"] if case.hook == "prerouting" else 0
    return Setting(case.hook, frozenset(own), mark, frozenset(beyond), frozenset(sizes))


def _counts(case: Case, name: str) -> bool:
    """True if an address has a type that matters: where it arrives, or where it comes from."""
    return name == ("fib daddr type" if case.hook == "prerouting" else "fib saddr type") or name in case.asked


class DoorCopy:
    """A copy of a front door. To be used in one thread in its namespace.

    Args:
        tuns: file descriptors of the TUNs by their index.
    """

    def __init__(self, reading: DoorReading, links: Mapping[str, int], tuns: Mapping[int, int]) -> None:
        self._reading = reading
        self._nft = Nftables()
        self._nft.set_json_output(True)
        self._nft.set_stateless_output(False)
        self._indexes = links
        self._sockets: dict[int, socket.socket] = {}
        self._own: frozenset[str] = frozenset()
        self._limits: dict[str, set[str]] = {}
        self.tuns = tuns
        self.table = reading.table
        self.forms: dict[str, Form] = {}
        for entry in reading.listing["nftables"]:
            ((kind, each),) = entry.items()
            if kind in ("set", "map") and (each["family"], each["table"]) == ("inet", self.table):
                self.forms[each["name"]] = Form(kind, each)
        self.rates = {
            int(handle[1]): "limit rate over" in line
            for line in reading.text.splitlines()
            if "limit rate" in line and (handle := _HANDLE.search(line))
        }

    def link(self, index: int) -> int:
        """Index of the copy's link that stands for a link of the host."""
        return index if index == LO or index in self.tuns else self._indexes[OUTSIDE]

    def name(self, index: int) -> str:
        """Name of a link of the copy."""
        return next((name for name, each in self._indexes.items() if each == index), "lo")

    def command(self, text: str) -> dict[str, Any]:
        """Runs commands of nft and returns what it prints.

        Raises:
            Unreplayable: they are refused.
        """
        code, output, complaint = self._nft.cmd(text)
        if code:
            raise Unreplayable(f"The copy of the front door can't be made: {complaint.strip()[:500]}")
        return dict(json.loads(output)) if output else {"nftables": []}

    def prepare(self) -> None:
        """Sets links and routes up."""
        run_program("ip", "link", "set", "lo", "up")
        for name, value in _SETTINGS.items():
            with contextlib.suppress(FileNotFoundError):
                Path("/proc/sys/net", name).write_text(value)
        for index in self.tuns:
            run_program("ip", "link", "set", self.name(index), "up")
        for family in ("-4", "-6"):
            run_program("ip", family, "route", "add", "default", "dev", OUTSIDE)
            # What is sent by lo on purpose may be for anybody.
            run_program("ip", family, "route", "add", "local", "default", "dev", "lo", "table", _TABLE_OF_LO)
            run_program("ip", family, "rule", "add", "oif", "lo", "lookup", _TABLE_OF_LO)

    def load(self, setting: Setting) -> None:
        """Loads the table as a setting has it, and checks that it is what was read.

        Raises:
            Unreplayable: it isn't.
        """
        for verb, some in (("delete", self._own - setting.own), ("add", setting.own - self._own)):
            for address in some:
                length = 128 if ":" in address else 32
                # A source has no other address of its family to be confused with.
                run_program("ip", "address", verb, f"{address}/{length}", "dev", OUTSIDE)
        self._own = setting.own
        self._wait_for_addresses()
        self.empty(setting)
        # The library complains to standard error about statements that it prints as text.
        listed = json.loads(run_program("nft", "-j", "-t", "list", "ruleset"))["nftables"]
        entries = [next(iter(entry.items())) for entry in listed]
        copied = parse(entries, self.table, {**self._reading.links, **self._indexes})
        if _comparable(copied) != _comparable(self._reading.parsed()):
            raise Unreplayable("The copy of the front door has other rules.")

    def _wait_for_addresses(self) -> None:
        """Waits until the kernel takes what is sent to the host's addresses: for IPv6, some time after it has them.

        Raises:
            Unreplayable: it does not within the time.
        """
        for address in (each for each in self._own if ":" in each):
            route = ("ip", "-6", "route", "show", "table", "local", address)
            if not wait_until(partial(run_program, *route), _READY_S):
                raise Unreplayable(f"The copy of the front door gets nothing that is sent to {address}.")

    def empty(self, setting: Setting) -> None:
        """Loads the table anew, with nothing in its sets and maps."""
        text = self._text(setting)
        self._limits = {}
        for found in _UPDATED.finditer(text):
            self._limits.setdefault(found[1], set()).add(found[2])
        self.command("flush ruleset\n" + text + observer.rules(setting.hook, setting.mark))

    def _text(self, setting: Setting) -> str:
        """The table in nft's language, with other rates and sizes."""
        sizes = dict(setting.sizes)
        lines, of = [], ""
        for line in self._reading.text.splitlines():
            words = line.split()
            of = words[1] if words[:1] in (["set"], ["map"]) else of
            if words[:1] == ["size"] and of in sizes:
                line = f"size {sizes[of]}"
            found = _HANDLE.search(line)
            if found and int(found[1]) in setting.beyond:
                line = _RATE.sub(lambda rate: f"limit rate {rate[1] or ''}1 bytes/second burst 1 bytes", line)
            lines.append(line)
        return "\n".join(lines) + "\n"

    def fill(self, case: Case) -> None:
        """Puts the elements of a case into the sets and maps, and nothing else.

        Raises:
            Unreplayable: rules give the elements of a set different rates.
        """
        elements: dict[str, list[str]] = {name: [] for name in self.forms}
        for (name, key), each in case.before.items():
            if each.there and name != DESK:
                elements[name].append(self.forms[name].written(key, each.value, self._limit(name)))
        elements[DESK] = [str(port) for port in sorted(self._reading.desk)]
        for name, has_room in case.room.items():
            if not has_room and not elements[name]:
                elements[name].append(self.forms[name].filler())
        lines = [f"flush {form.kind} inet {self.table} {name}" for name, form in self.forms.items()]
        lines += [
            f"add element inet {self.table} {name} {{ {', '.join(some)} }}" for name, some in elements.items() if some
        ]
        self.command("\n".join(lines) + "\n" + observer.RESET)

    def _limit(self, name: str) -> str:
        """The rate that rules give each element of a set; without one, the kernel lets a rule go on at any rate."""
        limits = self._limits.get(name, {""})
        if len(limits) > 1:
            raise Unreplayable(f"The front door has different rates for the elements of {name}.")
        return next(iter(limits))

    def listed(self, table: str, name: str, kind: str = "set") -> dict[str, Any]:
        """A set or map as nft prints it."""
        found = self.command(f"list {kind} inet {table} {name}")["nftables"]
        return next(each for entry in found for kind, each in entry.items() if kind in ("set", "map"))

    def listen(self, ports: Iterable[int]) -> None:
        """Opens sockets of these ports, beside those that are open."""
        for port in set(ports) - set(self._sockets) - {0}:
            opened = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            self._sockets[port] = opened
            opened.bind(("::", port))

    def received(self) -> set[int]:
        """Ports of the sockets that got something."""
        found = set()
        for port, opened in self._sockets.items():
            with contextlib.suppress(BlockingIOError):
                while True:
                    opened.recv(65536)
                    found.add(port)
        return found

    def close(self) -> None:
        """Closes the sockets."""
        for opened in self._sockets.values():
            opened.close()


@contextmanager
def namespace_of(reading: DoorReading, door: Door) -> Iterator[tuple[Any, dict[str, int], dict[int, int]]]:
    """Makes a namespace with a link for all that come from outside, and those that rules name.

    Yields:
        The namespace, index of each link by its name, and file descriptors of their TUNs by index.

    Raises:
        Unreplayable: this host can't make it.
    """
    named = {
        each.right
        for each in door.statements()
        if isinstance(each, Compare) and each.left in (Field("meta iif"), Field("meta oif")) and each.right != LO
    }
    links = {name: index for name, index in reading.links.items() if index in named}
    links[OUTSIDE] = next(index for index in range(2, 2 + len(named) + 1) if index not in named)
    with namespace_of_tuns(links) as (namespaces, tuns):
        yield namespaces, links, tuns


def _comparable(door: Door) -> Any:
    """A front door without what the kernel chose while it was loaded."""
    return [
        (name, chain.hook, [rule.statements for rule in chain.rules]) for name, chain in sorted(door.chains.items())
    ], door.memories
