"""nftables in process: libnftables through ctypes."""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import nftables

from appliance import libc
from appliance.hub.errors import RulesetError
from appliance.hub.kernel import counters as counters_reader
from appliance.hub.kernel import namespace
from appliance.hub.ruleset import TABLE, UNKNOWN, Count, NameSet, Ruleset, is_leaf

_MOST_OPEN = 700
_LARGE = 2**15
# Names of priorities that the compiler uses; nft(8), table 6.
_PRIORITIES = {-300: "raw", -150: "mangle", 0: "filter"}
IDLE_S = 10.0
"""Seconds after which an unused context is closed: it takes 0.7 MB, nearly all of it for tables of names."""


def run(context: Any, text: str, what: str) -> None:
    """Run the text as one transaction: all of it takes effect, or none.

    Args:
        context: of libnftables.
        what: what the text changes, for the error's message.

    Raises:
        RulesetError: the kernel or the parser refused it.
    """
    code, _, complaint = context.cmd(text)
    if code != 0:
        first = complaint.strip().splitlines()[0] if complaint.strip() else f"code {code}"
        raise RulesetError(f"nftables refused {what}: {first}")


def tables(name: str) -> tuple[str, ...]:
    """Family and name of each table in the namespace of that name.

    Raises:
        RulesetError: they could not be listed.
        NamespaceError: there is no such namespace.
    """
    with namespace.entered(name):
        context = nftables.Nftables()
    code, text, complaint = context.cmd("list tables")
    if code != 0:
        raise RulesetError(f"nftables could not list the tables of {name}: {complaint.strip()}")
    return tuple(line.removeprefix("table ") for line in text.splitlines())


def counters(name: str) -> dict[str, Count]:
    """Values of our table's counters in the namespace of that name; empty if there is no such table.

    Raises:
        NamespaceError: there is no such namespace.
    """
    return counters_reader.read(name, TABLE)


def present(name: str) -> Ruleset:
    """Hooks, chains and counters of our table in the namespace of that name, without the chains' contents.

    Raises:
        NamespaceError: there is no such namespace.
    """
    found = [each for each in _chains(name) if each["table"] == TABLE]
    chains = [each["name"] for each in found]
    return Ruleset(
        hooks={each["name"]: _hook(each) for each in found if "hook" in each},
        chains=dict.fromkeys((chain for chain in chains if not is_leaf(chain)), UNKNOWN),
        leaves=dict.fromkeys(filter(is_leaf, chains), UNKNOWN),
        counters=NameSet.of(counters(name)),
    )


def _hook(chain: Mapping[str, Any]) -> str:
    """Write a listed chain's hook as the compiler does (`Ruleset.hooks`)."""
    priority = _PRIORITIES.get(chain["prio"], chain["prio"])
    return f"type {chain['type']} hook {chain['hook']} priority {priority}; policy {chain['policy']};"


def _chains(name: str) -> list[dict[str, Any]]:
    # A context of its own, so that a long listing does not delay changes of rules.
    with namespace.entered(name):
        context = nftables.Nftables()
    context.set_json_output(True)
    code, text, _ = context.cmd("list chains inet")
    if code != 0:
        return []
    return [entry["chain"] for entry in json.loads(text)["nftables"] if "chain" in entry]


@dataclass
class _Context:
    """A context of libnftables.

    Attributes:
        used: time of its last use; monotonic seconds.
    """

    nftables: Any
    used: float
    lock: threading.Lock = field(default_factory=threading.Lock)


class Rulesets:
    """Loads rulesets into namespaces, each through a context whose socket was opened there.

    A context is kept for a while, because closing its socket waits until the kernel has freed what the last transaction
    replaced: 8 to 20 ms measured, against 0.3 ms for the transaction itself. An open socket also keeps its namespace
    alive, so `forget` comes before the namespace is removed.

    Args:
        most_open: most contexts that are kept, those that were used last: their sockets need low numbers
            (`descriptors`).
    """

    def __init__(self, most_open: int = _MOST_OPEN) -> None:
        self._most_open = most_open
        # In the order of their last use.
        self._open: OrderedDict[str, _Context] = OrderedDict()
        self._lock = threading.Lock()

    def load(self, name: str, text: str) -> None:
        """Run the text in the namespace of that name as one transaction: all of it takes effect, or none.

        Raises:
            RulesetError: the kernel or the parser refused it.
            NamespaceError: there is no such namespace.
        """
        context = self._context(name)
        with context.lock:
            run(context.nftables, text, f"the rules of {name}")
            if len(text) > _LARGE:
                # Until its next command it keeps what it has read, up to 34 times the text. This one does nothing.
                context.nftables.cmd("")

    def forget(self, name: str) -> None:
        """Close the context of that namespace."""
        with self._lock:
            self._open.pop(name, None)

    def close_idle(self) -> None:
        """Close the contexts that nobody has used for `IDLE_S`, and give their memory back to the kernel."""
        idle = []
        with self._lock:
            while self._open and time.monotonic() - next(iter(self._open.values())).used > IDLE_S:
                idle.append(self._open.popitem(last=False))
        if idle:
            idle.clear()
            libc.malloc_trim()

    def _context(self, name: str) -> _Context:
        with self._lock:
            found = self._open.get(name)
            if found is not None:
                found.used = time.monotonic()
                self._open.move_to_end(name)
                return found
        with namespace.entered(name):
            made = _Context(nftables.Nftables(), time.monotonic())
        with self._lock:
            kept = self._open.setdefault(name, made)
            # A context in use is freed after its last use.
            oldest = [self._open.popitem(last=False) for _ in range(len(self._open) - self._most_open)]
        del oldest
        return kept
