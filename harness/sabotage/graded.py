"""Sabotages of an adjustable size: late saves, stalls, and shares of packets that leak or are lost."""

from __future__ import annotations

import itertools
import mmap
import queue
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import bottle
from pyroute2 import IPRoute

from appliance.hub.findings import Damage
from appliance.hub.kernel import namespace, routing
from appliance.hub.names import KernelNames
from appliance.hub.plane.dataplane import DataPlane
from appliance.hub.plane.enforcement import Enforcement, LastCheck, no_check
from appliance.hub.ruleset import ALLOWED_MARK, Ruleset
from appliance.model.desired import Desired
from harness.sabotage.egress import OVERLAY_TABLE, connect, index_of, inner_link, keep_uplinks
from harness.sabotage.rules import change_chain, change_rulesets

_apply = DataPlane.apply
_load = Enforcement.load
_activation = Ruleset.activation
_mend = routing.mend
_serve: Callable[..., Any] = bottle.Bottle.__call__
_ACCEPT = f"meta mark set {ALLOWED_MARK:#x} accept"
_COUNT = struct.Struct("=Q")
_LOOK_S = 0.0002
_LONGEST_ANSWER_S = 1.0
_ACROSS_TABLE, _ACROSS_MARK, _ACROSS_PRIORITY = 101, 0x1000000, 90


def enforce_late(milliseconds: int) -> None:
    """Enforces another policy a time after its answer. Other changes are enforced before their answers.

    The web process counts its answers in memory that it shares with the hub, since both are forks of this process.
    """
    answers = _SharedCount()
    waiting: queue.SimpleQueue[tuple[DataPlane, Desired, int, int]] = queue.SimpleQueue()
    newest: dict[str, Desired] = {}
    others: Counter[str] = Counter()
    threads: list[threading.Thread] = []

    def enforce() -> None:
        while True:
            plane, desired, answered, other = waiting.get()
            longest = time.monotonic() + _LONGEST_ANSWER_S
            while answers.value() == answered and time.monotonic() < longest:
                time.sleep(_LOOK_S)
            time.sleep(milliseconds / 1000)
            # A change that was enforced since has the later policy in it.
            if others[desired.organization] == other:
                _apply(plane, desired)

    def apply(self: DataPlane, desired: Desired, last_check: LastCheck = no_check) -> None:
        before = newest.get(desired.organization)
        newest[desired.organization] = desired
        if before is None or replace(before, policy=desired.policy) != desired:
            others[desired.organization] += 1
            _apply(self, desired, last_check)
            return
        last_check()
        if not threads:
            # Begun here, because threads don't survive the fork of the hub.
            threads.append(threading.Thread(target=enforce, daemon=True))
            threads[0].start()
        waiting.put((self, desired, answers.value(), others[desired.organization]))

    def serve(self: bottle.Bottle, *arguments: Any) -> Any:
        answer = _serve(self, *arguments)
        answers.add()
        return answer

    DataPlane.apply = apply  # type: ignore[method-assign]
    bottle.Bottle.__call__ = serve


class _SharedCount:
    """Count in memory that processes share after a fork."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, mmap.PAGESIZE)
        self._lock = threading.Lock()

    def value(self) -> int:
        return int(_COUNT.unpack_from(self._memory)[0])

    def add(self) -> None:
        with self._lock:
            _COUNT.pack_into(self._memory, 0, self.value() + 1)


def stall(milliseconds: int) -> None:
    """Drops all packets between machines for a time before each change of rules, which takes that much longer."""

    class Activation(str):
        """Text of a transaction that changes what happens to packets."""

        __slots__ = ()

    def activation(self: Ruleset, before: Ruleset) -> str:
        return Activation(_activation(self, before))

    def load(self: Enforcement, names: KernelNames, text: str, in_force: Ruleset) -> None:
        if isinstance(text, Activation) and text:
            closed = replace(in_force, chains={**in_force.chains, "belonging": ("drop",)})
            _load(self, names, _activation(closed, in_force), closed)
            time.sleep(milliseconds / 1000)
            text += _activation(in_force, closed)
        _load(self, names, text, in_force)

    Ruleset.activation = activation  # type: ignore[method-assign]
    Enforcement.load = load  # type: ignore[method-assign]


def leak(share: int) -> None:
    """Accepts one packet of so many, drawn at random, before it is judged."""
    change_chain("judge", lambda statements: (f"{_drawn(share)} {_ACCEPT}", *statements))


def lose(share: int) -> None:
    """Drops one packet of so many, drawn at random, before it is judged."""
    change_chain("judge", lambda statements: (f"{_drawn(share)} drop", *statements))


def leak_outside(share: int) -> None:
    """Adds a pair of links out of each namespace, by which one packet of so many to addresses elsewhere leaves."""

    def changed(good: Ruleset, desired: Desired, link: str) -> Ruleset:
        *first, last = good.chains["gate"]
        out = f"ip saddr {desired.network} ip daddr != {desired.network} {_drawn(share)} {_ACCEPT}"
        through = f'iifname "{link}" oifname "{inner_link(link)}" accept'
        chains = {"gate": (*first, out, last), "transit": (through, *good.chains["transit"])}
        return replace(good, chains={**good.chains, **chains})

    change_rulesets(changed)
    keep_uplinks(leads_in=False)


def leak_across(share: int) -> None:
    """Connects each namespace to that of the organization before, and sends one packet of so many there."""
    numbers = itertools.count(1)
    before: list[str] = []
    made: set[str] = set()

    def changed(good: Ruleset, desired: Desired, link: str) -> Ruleset:
        *first, last = good.chains["gate"]
        inside = f"ip saddr {desired.network} ip daddr {desired.network}"
        # The other end of a later organization's pair of links.
        come = f'iifname "o*" {_ACCEPT}'
        go = f'iifname "{link}" {inside} {_drawn(share)} meta mark set {_ACROSS_MARK:#x} accept'
        chains = {
            "gate": (come, *first, go, last),
            "transit": (
                f'iifname "o*" oifname "{link}" accept',
                f'iifname "{link}" oifname "{link}" meta mark {_ACROSS_MARK:#x} accept',
                f'oifname "{inner_link(link)}" meta mark {_ACROSS_MARK:#x} accept',
                *good.chains["transit"],
            ),
        }
        return replace(good, chains={**good.chains, **chains})

    def mend(names: KernelNames, network: IPv4Network) -> tuple[Damage, ...]:
        if names.namespace in made:
            return ()
        made.add(names.namespace)
        found = _mend(names, network)
        if before:
            connect(names, before[-1])
            _lead(names, before[-1], next(numbers))
        else:
            # The first organization's packets go where they would without the mark.
            with namespace.entered(names.namespace), IPRoute() as inside:
                inside.rule("add", table=OVERLAY_TABLE, fwmark=_ACROSS_MARK, priority=_ACROSS_PRIORITY)
        before.append(names.namespace)
        return found

    def remove_no_strangers(names: KernelNames) -> tuple[Damage, ...]:
        del names
        return ()

    change_rulesets(changed)
    routing.mend = mend
    routing.remove_strangers = remove_no_strangers


def _lead(names: KernelNames, other: str, number: int) -> None:
    """Leads packets with a mark of their own through a pair of links."""
    here, there = f"10.200.{number}.2", f"10.200.{number}.1"
    with namespace.entered(other), IPRoute() as beyond:
        beyond.addr("add", index=index_of(beyond, "o" + names.link[1:]), address=there, prefixlen=30)
    with namespace.entered(names.namespace), IPRoute() as inside:
        inside.addr("add", index=index_of(inside, inner_link(names.link)), address=here, prefixlen=30)
        inside.route("add", dst="0.0.0.0/0", gateway=there, table=_ACROSS_TABLE)
        inside.rule("add", table=_ACROSS_TABLE, fwmark=_ACROSS_MARK, priority=_ACROSS_PRIORITY)


def _drawn(share: int) -> str:
    return f"numgen random mod {share} == 0"
