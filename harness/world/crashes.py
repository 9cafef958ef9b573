"""Kills of the service's processes and other disturbances at random times, under random changes of customers."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx

from harness.client.api import Api
from harness.judging.verdicts import Refuted
from harness.world.customer import DEADLINE_S, Customer, log_in, require, sign_up, wait_for_health

COMMANDS = ("hub", "web")
CUSTOMERS = 2
_MOST_CHANGES = 12
"""Bound, exclusive, on the changes that are answered between two kills."""


@dataclass(frozen=True)
class KilledService:
    """Access to the service whose processes are killed.

    Attributes:
        new_api: opens an API connection that is not signed in.
        processes: returns the ids of the processes of a command, ``hub`` or ``web``.
        census: returns the service's census, one entry per organization.
        peers: returns the public keys of a link's peers, by names of namespace and link.
        deadline_s: seconds that the service may take to recover.
    """

    new_api: Callable[[], Api]
    processes: Callable[[str], Collection[int]]
    census: Callable[[], Collection[Mapping[str, Any]]]
    peers: Callable[[str, str], frozenset[str]]
    deadline_s: float = DEADLINE_S


@dataclass(frozen=True)
class CrashCounts:
    """Numbers of changes by outcome.

    Attributes:
        done: answered as done.
        refused: answered 503.
        cut_off: not answered.
        confirmed: of those that were not answered, how many were answered as done before when they were repeated.
    """

    done: int
    refused: int
    cut_off: int
    confirmed: int


def kills(service: KilledService, count: int, seed: int) -> list[Callable[[], None]]:
    """Returns functions that each kill a process of the service; two or more kill each command at least once.

    Args:
        count: number of kills.
        seed: seed of the choice of processes.
    """
    chooser = random.Random(seed)  # noqa: S311 - a choice, no secret
    return [partial(_kill, service, command, chooser) for command in _commands(count, chooser)]


def survive(
    service: KilledService,
    disturbances: Sequence[Callable[[], None]],
    seed: int,
    beside: Sequence[Callable[[], None]] = (),
    name: str = "crash",
) -> CrashCounts:
    """Disturbs the service again and again, while customers make changes and others sign up and leave.

    Args:
        disturbances: functions that are called one after the other, at random times.
        seed: seed of all choices.
        beside: functions that are called again and again meanwhile, each in a thread of its own.
        name: beginning of the organizations' names; each call for a service needs another name or seed.

    Raises:
        Refuted: an answered change is missing, another one was made in part, or links and store don't agree.
    """
    api, name = service.new_api(), f"{name}-{seed}"
    customers = [
        Customer(service.new_api, f"{name}-{number}", seed + number, service.deadline_s) for number in range(CUSTOMERS)
    ]
    chooser, ended = random.Random(seed), threading.Event()  # noqa: S311 - a choice, no secret
    disturbed_at = 0.0

    def repeat(step: Callable[[], None]) -> None:
        while not ended.is_set():
            step()

    def sign_up_and_leave() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            _sign_up_and_leave(service.new_api(), f"{name}-guest-{number}", service.deadline_s, lambda: disturbed_at)

    steps = [*(each.step for each in customers), *beside]
    with ThreadPoolExecutor(len(steps) + 1) as pool:
        working = [*(pool.submit(repeat, each) for each in steps), pool.submit(sign_up_and_leave)]
        try:
            for disturb in disturbances:
                wait_for_health(api, deadline_s=service.deadline_s)
                _wait_for_changes(customers, chooser.randrange(1, _MOST_CHANGES), working, service.deadline_s)
                if any(each.done() for each in working):
                    break
                disturb()
                disturbed_at = time.monotonic()
        finally:
            ended.set()
        for each in working:
            each.result()
    _judge(service, api, customers, f"{name}-guest-")
    return CrashCounts(
        sum(each.done for each in customers),
        sum(each.refused for each in customers),
        sum(each.cut_off for each in customers),
        sum(each.confirmed for each in customers),
    )


def kill_idle_hub(service: KilledService) -> None:
    """Kills the hub while nobody changes anything, and waits until its successor enforces every organization.

    Raises:
        Refuted: it does not.
    """
    before = set(service.processes("hub"))
    for each in before:
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
    follows = "no hub follows one that was killed"
    require(lambda: not before.issuperset(service.processes("hub")), follows, service.deadline_s)
    with closing(service.new_api()) as api:
        wait_for_health(api, "/readyz", service.deadline_s)


def _commands(kills: int, chooser: random.Random) -> list[str]:
    """Draws the commands to kill. The last is a hub, so that a restarted one has made what is judged in the end."""
    chosen = [*COMMANDS, *chooser.choices(COMMANDS, k=max(0, kills - len(COMMANDS)))]
    chosen.remove("hub")
    chooser.shuffle(chosen)
    return [*chosen, "hub"][-kills:]


def _sign_up_and_leave(api: Api, name: str, deadline_s: float, disturbed_at: Callable[[], float]) -> None:
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
    """Waits until ``count`` more changes were answered, or a thread has ended by an error."""
    enough = sum(each.done for each in customers) + count
    require(
        lambda: sum(each.done for each in customers) >= enough or any(each.done() for each in working),
        "no change is answered",
        deadline_s,
    )


def _kill(service: KilledService, command: str, chooser: random.Random) -> None:
    processes = sorted(service.processes(command))
    if processes:
        with suppress(ProcessLookupError):
            os.kill(chooser.choice(processes), signal.SIGKILL)


def _judge(service: KilledService, api: Api, customers: Collection[Customer], guests: str) -> None:
    wait_for_health(api, "/readyz", service.deadline_s)
    for each in customers:
        found = each.look()
        if found != each.state:
            raise Refuted(f"{each.name}: an answered change is lost: {each.state} became {found}")
    require(lambda: _peers_agree(service, customers), "a link has other peers than the store", service.deadline_s)
    partial = "an organization is in the store or on the host, and not in both"
    require(lambda: _census_agrees(service), partial, service.deadline_s)
    # A guest whose sign-up was cut off either has an owner who can log in, or does not exist.
    for name in sorted({each["name"] for each in service.census() if str(each["name"]).startswith(guests)}):
        answer = log_in(api, name)
        if answer.status != httpx.codes.CREATED:
            raise Refuted(f"{name} exists, and its owner is answered {answer.status}")


def _peers_agree(service: KilledService, customers: Collection[Customer]) -> bool:
    """Returns True if each customer's link has the keys of the customer's machines as peers, and no others."""
    hosts = {each["id"]: each["host"] for each in service.census()}
    return all(
        hosts.get(each.id) and service.peers(hosts[each.id]["namespace"], hosts[each.id]["links"][0]) == each.state.keys
        for each in customers
    )


def _census_agrees(service: KilledService) -> bool:
    return all(bool(each["host"]) == bool(each["rows"]) and not each["orphan"] for each in service.census())
