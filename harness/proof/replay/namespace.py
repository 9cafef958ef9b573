"""A throwaway network namespace made of a reading: the same rules, routes, routing rules, settings and links.

Each link is a TUN: what is written to it arrives there as from a machine, and what leaves by it can be read. A link of
WireGuard differs in nothing that rules or routes look at.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from harness.proof.readback import Reading, read
from harness.proof.replay.errors import Unreplayable
from harness.proof.replay.restoring import comparable, replacing, restored
from harness.proof.replay.tuns import namespace_of_tuns, run_program
from harness.proof.ruleset import Ruleset
from netlab.namespaces import Namespaces

T = TypeVar("T")

# net/ipv4/fib_rules.c, `fib_default_rules_init`.
_DEFAULT_PRIORITIES = (0, 32766, 32767)
_OPEN_TABLE = 4242
_OPEN = """
flush ruleset
table inet open {
    chain tracking {
        type filter hook prerouting priority 0; policy accept;
        ct state invalid accept
    }
    chain own {
        type filter hook output priority -390; policy accept;
        meta mark != %d drop
    }
}
"""
OWN_MARK = 0x6D77
"""Mark of the packets that the host itself sends while everything is allowed; all others of its own are dropped."""


class Rebuilt:
    """A namespace with a reading's links, routes and settings; its rules are loaded by `enforce`.

    Attributes:
        links: file descriptors of the TUNs by their index, non-blocking.
        listing: of its rules, complete.
    """

    def __init__(self, reading: Reading, ruleset: Ruleset, namespaces: Namespaces, links: Mapping[int, int]) -> None:
        self._reading = reading
        self._ruleset = ruleset
        self._namespaces = namespaces
        self.listing = restored(reading.listing, ruleset)
        self.links = dict(links)

    def run(self, *command: str, text: str = "") -> str:
        """Runs a program in it.

        Raises:
            Unreplayable: it failed.
        """
        return self.enter(lambda: run_program(*command, text=text))

    def enter(self, function: Callable[[], T]) -> T:
        """Runs a function in it, in a thread of its own."""
        return self._namespaces.enter(function)

    def check(self) -> None:
        """Checks that it is as the reading says, once its rules are in force.

        Raises:
            Unreplayable: it isn't.
        """
        found = read(self.run)
        if comparable(found.parsed()[0]) != comparable(self._ruleset):
            raise Unreplayable("The namespace could not be rebuilt: the copy has other rules.")
        for part in ("links", "settings", "routes", "rules"):
            copied, wanted = (_unordered(getattr(each, part)) for each in (found, self._reading))
            if copied != wanted:
                differing = ", ".join(map(str, [*(copied - wanted), *(wanted - copied)]))
                raise Unreplayable(f"The namespace could not be rebuilt: the copy's {part} differ: {differing}.")

    def open(self, link: int) -> None:
        """Lets everything pass, by a link."""
        self.run("nft", "-f", "-", text=_OPEN % OWN_MARK)
        self._batch([f"route add default dev {self._name(link)} table {_OPEN_TABLE}", f"rule add {_open_rule()}"])
        self.write_settings({"net.ipv4.ip_forward": "1"})

    def enforce(self, listing: Mapping[str, Any] | None = None, more: str = "") -> None:
        """Puts rules in force, in one transaction, and then others beside them.

        Args:
            listing: others than those of the reading.
            more: in nft's language.
        """
        self.run("nft", "-j", "-f", "-", text=json.dumps(replacing(listing or self.listing)))
        if more:
            self.run("nft", "-f", "-", text=more)

    def close_again(self) -> None:
        """Takes back what `open` did to routes and settings."""
        self._batch([f"rule delete {_open_rule()}", f"route flush table {_OPEN_TABLE}"])
        self.write_settings(self._reading.settings)

    def restore_routes(self) -> None:
        """Sets up links, settings, routes and routing rules of the reading."""
        self.write_settings(self._reading.settings)
        # The addresses of sources have to be local ones already, and gateways within reach.
        routes = sorted(
            self._reading.routes, key=lambda route: (route["dst"] != route.get("prefsrc"), "gateway" in route)
        )
        self._batch(
            [
                *(f"link set {name} up" for name in ("lo", *map(self._name, self.links))),
                # What is there by itself is written anew, so that nothing else is there.
                *(f"route flush table {table}" for table in ("main", "local")),
                *map(_route, routes),
                *(f"rule delete priority {priority}" for priority in _DEFAULT_PRIORITIES),
                *map(_rule, self._reading.rules),
            ]
        )

    def _name(self, link: int) -> str:
        return next(name for name, index in self._reading.link_indexes.items() if index == link)

    def _batch(self, commands: Iterable[str]) -> None:
        self.run("ip", "-4", "-batch", "-", text="\n".join(commands))

    def forget(self, name: str) -> None:
        """Sends no more by a link, which is deleted."""
        self.links.pop(self._reading.link_indexes[name], None)

    def write_settings(self, settings: Mapping[str, str]) -> None:
        """Writes settings where they differ; one of a link that is not there is left out."""

        def write() -> None:
            for name, value in settings.items():
                # A link's name may have dots, so that a path is found from both ends.
                head, _, rest = name.partition(".conf.")
                link, _, last = rest.rpartition(".")
                place = Path("/proc/sys", *head.split("."), *(("conf", link, last) if rest else ()))
                # A reading has settings of links that this kernel does not make.
                with contextlib.suppress(FileNotFoundError):
                    # Some settings can only be read.
                    if place.read_text().strip() != value:
                        place.write_text(value)

        self.enter(write)


@contextmanager
def rebuilt(reading: Reading) -> Iterator[Rebuilt]:
    """Makes a namespace with the links, routes and settings of a reading, and no rules yet.

    Raises:
        Unreplayable: this host can't make it.
        Unmodelled: a part of what was read has no meaning in the proof.
    """
    ruleset, _ = reading.parsed()
    with namespace_of_tuns(reading.link_indexes) as (namespaces, links):
        made = Rebuilt(reading, ruleset, namespaces, links)
        made.restore_routes()
        yield made


def _unordered(part: Any) -> set[str]:
    """Parts of a reading of which the order says nothing."""
    entries = part.items() if isinstance(part, dict) else part
    return {json.dumps(each, sort_keys=True) for each in entries}


def _open_rule() -> str:
    # After the host's own addresses, which have the same priority and come first.
    return f"priority 0 lookup {_OPEN_TABLE}"


_WORDS_OF_ROUTE = {"dev": "dev", "protocol": "proto", "scope": "scope", "metric": "metric", "prefsrc": "src"}


def _route(route: Mapping[str, Any]) -> str:
    words = [route.get("type", "unicast"), route["dst"], *(() if "scope" in route else ("scope", "global"))]
    if "gateway" in route:
        words += ["via", route["gateway"]]
    for name, word in _WORDS_OF_ROUTE.items():
        if name in route:
            words += [word, str(route[name])]
    return " ".join(["route add", *words, "table", str(route.get("table", "main"))])


def _rule(rule: Mapping[str, Any]) -> str:
    mark = ["fwmark", f"{rule['fwmark']}/{rule.get('fwmask', '0xffffffff')}"] if "fwmark" in rule else []
    return " ".join(["rule add priority", str(rule["priority"]), *mark, "lookup", str(rule["table"])])
