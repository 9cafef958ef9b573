"""Processes are killed at random moments under customers' random changes, and what came of it is judged."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx

from harness.client.api import Api
from harness.judging.verdicts import Refuted
from harness.world.customer import DEADLINE_S, Customer, log_in, require, sign_up, wait_for_health

COMMANDS = ("hub", "web")
CUSTOMERS = 3
_MOST_CHANGES = 12
"""Fewer are answered between one kill and the next."""


@dataclass(frozen=True)
class Ground:
    """Where the service runs, as whoever kills it and looks after it sees it.

    Attributes:
        new_api: makes a connection that is signed in as nobody.
        processes: ids of those of a command, ``hub`` or ``web``, that may be killed just now.
        census: what exists, organization by organization.
        peers: the keys that a link has, of a namespace and a link's name.
        deadline_s: how long a service may take to be back.
    """

    new_api: Callable[[], Api]
    processes: Callable[[str], Collection[int]]
    census: Callable[[], Collection[Mapping[str, Any]]]
    peers: Callable[[str, str], frozenset[str]]
    deadline_s: float = DEADLINE_S


@dataclass(frozen=True)
class CrashCounts:
    """Numbers of kills, and of changes by what came of them (`Customer`)."""

    kills: int
    done: int
    refused: int
    cut_off: int
    told: int


def survive(ground: Ground, kills: int, seed: int) -> CrashCounts:
    """Kills processes, one after the other, while customers change what is theirs and others come and go.

    Args:
        kills: how many; of each command at least one, where they are that many.
        seed: makes the choices; names are of it, so each run on one service takes another one.

    Raises:
        Refuted: what was answered is missing, what was not is half there, or host and store don't agree.
    """
    api, name = ground.new_api(), f"crash-{seed}"
    customers = [
        Customer(ground.new_api, f"{name}-{number}", seed + number, ground.deadline_s) for number in range(CUSTOMERS)
    ]
    chooser, ended = random.Random(seed), threading.Event()  # noqa: S311 - a choice, no secret
    killed_at = 0.0

    def keep_changing(customer: Customer) -> None:
        while not ended.is_set():
            customer.step()

    def come_and_go() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            _come_and_go(ground.new_api(), f"{name}-guest-{number}", ground.deadline_s, lambda: killed_at)

    with ThreadPoolExecutor(CUSTOMERS + 1) as pool:
        working = [*(pool.submit(keep_changing, each) for each in customers), pool.submit(come_and_go)]
        try:
            for command in _commands(kills, chooser):
                wait_for_health(api, deadline_s=ground.deadline_s)
                _wait_for_changes(customers, chooser.randrange(1, _MOST_CHANGES), working, ground.deadline_s)
                _kill(sorted(ground.processes(command)), chooser)
                killed_at = time.monotonic()
        finally:
            ended.set()
        for each in working:
            each.result()
    _judge(ground, api, customers, f"{name}-guest-")
    return CrashCounts(
        kills,
        sum(each.done for each in customers),
        sum(each.refused for each in customers),
        sum(each.cut_off for each in customers),
        sum(each.told for each in customers),
    )


def _commands(kills: int, chooser: random.Random) -> list[str]:
    chosen = [*COMMANDS, *chooser.choices(COMMANDS, k=max(0, kills - len(COMMANDS)))]
    chooser.shuffle(chosen)
    return chosen[:kills]


def _come_and_go(api: Api, name: str, deadline_s: float, disturbed_at: Callable[[], float]) -> None:
    try:
        sign_up(api, name, deadline_s, disturbed_at)
        with suppress(httpx.TransportError):
            api.send("DELETE", "/organization", {"confirm": name})
        wait_for_health(api, deadline_s=deadline_s)
    finally:
        api.close()


def _wait_for_changes(
    customers: Collection[Customer], count: int, working: Collection[Future[None]], deadline_s: float
) -> None:
    """Until so many more changes were answered, or somebody has found a fault."""
    enough = sum(each.done for each in customers) + count
    require(
        lambda: sum(each.done for each in customers) >= enough or any(each.done() for each in working),
        "no change is answered",
        deadline_s,
    )


def _kill(processes: list[int], chooser: random.Random) -> None:
    if processes:
        with suppress(ProcessLookupError):
            os.kill(chooser.choice(processes), signal.SIGKILL)


def _judge(ground: Ground, api: Api, customers: Collection[Customer], guests: str) -> None:
    wait_for_health(api, "/readyz", ground.deadline_s)
    for each in customers:
        found = each.look()
        if found != each.state:
            raise Refuted(f"{each.name}: what was answered is not there any more: {each.state} became {found}")
    require(lambda: _has_its_peers(ground, customers), "a link has other peers than the store", ground.deadline_s)
    halves = "an organization is in the store or on the host, and not in both"
    require(lambda: _is_whole(ground), halves, ground.deadline_s)
    # Guests that were cut off are there as a whole or not at all.
    for name in sorted({each["name"] for each in ground.census() if str(each["name"]).startswith(guests)}):
        answer = log_in(api, name)
        if answer.status != httpx.codes.CREATED:
            raise Refuted(f"{name} exists, and its owner is answered {answer.status}")


def _has_its_peers(ground: Ground, customers: Collection[Customer]) -> bool:
    """Whether the links have the keys that the organizations' machines have."""
    hosts = {each["id"]: each["host"] for each in ground.census()}
    return all(
        hosts.get(each.id) and ground.peers(hosts[each.id]["namespace"], hosts[each.id]["links"][0]) == each.state.keys
        for each in customers
    )


def _is_whole(ground: Ground) -> bool:
    return all(bool(each["host"]) == bool(each["rows"]) and not each["orphan"] for each in ground.census())
