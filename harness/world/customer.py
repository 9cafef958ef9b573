"""A customer who never loses count: what was answered holds, and what was not was done as a whole or not at all."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import httpx

from harness.client.api import Api
from harness.judging.answer import Answer
from harness.judging.verdicts import Refuted
from harness.world.world import PASSWORD
from netlab import wait_until

DEADLINE_S = 60.0
"""A process that was killed is back long before, also where there are many at once."""

_DONE_BEFORE = "urn:meshwg:problem:done-before"
_PAUSE_S = 0.05
_AGAIN_S = 0.2
_FORGOTTEN_S = 1.0
"""A sign-up that was cut off is forgotten about so soon."""


@dataclass(frozen=True)
class OrganizationState:
    """What an organization is, for its owner.

    Attributes:
        machines: by id, name and groups.
        keys: of those machines.
    """

    machines: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    keys: frozenset[str] = frozenset()
    default: str = "allow"


class Customer:
    """The owner of an organization of their own, who asks for random changes, one after the other.

    Args:
        new_api: makes a connection that is signed in as nobody.
        name: of the organization; nobody else's address has it.
        seed: makes the choices.
        deadline_s: how long a service may take to be back.

    Attributes:
        state: what was there when it was looked at last.
        cut_off: how often a change was not answered.
        unanswered: how many of these were not asked for again.
        refused: how many were answered 503.
        done: how many were answered as done.
        told: how many were not answered, and told as done when they were asked for again.
    """

    def __init__(self, new_api: Callable[[], Api], name: str, seed: int, deadline_s: float = DEADLINE_S) -> None:
        self.name = name
        self.cut_off = self.unanswered = self.refused = self.done = self.told = 0
        self._random = random.Random(seed)  # noqa: S311 - a choice, no secret
        self._number = 0
        self._deadline_s = deadline_s
        self._api = new_api()
        self.id = sign_up(self._api, name, deadline_s)
        while self._ask("PATCH", "/organization", {"plan": "paid"}) is None:
            pass
        self.state = OrganizationState()

    def step(self) -> None:
        """One change.

        Raises:
            Refuted: its outcome is not what was answered; or it was not answered, and is neither done nor not done.
        """
        before, told = self.state, self.told
        wish = self._random.choice([self._add, self._remove, self._rotate, self._regroup, self._flip])
        expected = wish()
        after = self.look()
        if expected is None:
            if after != before and not _is_one_step(before, after):
                raise Refuted(f"{self.name}: a change that was not answered is half there: {before} became {after}")
            if after == before and self.told > told:
                raise Refuted(f"{self.name}: a change was told as done when it was asked for again, and is not there")
        else:
            self.done += 1
            if after != expected:
                raise Refuted(f"{self.name}: a change was answered, and is not there: {expected} is {after}")
        self.state = after

    def look(self) -> OrganizationState:
        """What there is, as soon as somebody tells."""
        machines = self._read("/machines")["machines"]
        return OrganizationState(
            tuple(sorted((each["id"], each["name"], tuple(each["groups"])) for each in machines)),
            frozenset(each["public_key"] for each in machines),
            self._read("/policy")["default"],
        )

    # Each wish gives the state that its answer promises; None where there was no such answer.

    def _add(self) -> OrganizationState | None:
        self._number += 1
        name = f"machine {self._number}"
        answer = self._ask("POST", "/machines", {"name": name})
        if answer is None:
            return None
        machine = answer.body["machine"]
        machines = tuple(sorted((*self.state.machines, (machine["id"], name, ()))))
        return replace(self.state, machines=machines, keys=self.state.keys | {machine["public_key"]})

    def _remove(self) -> OrganizationState | None:
        if len(self.state.machines) < 3:
            return self._add()
        gone = self._random.choice(self.state.machines)
        key = self._read(f"/machines/{gone[0]}")["public_key"]
        if self._ask("DELETE", f"/machines/{gone[0]}") is None:
            return None
        machines = tuple(each for each in self.state.machines if each != gone)
        return replace(self.state, machines=machines, keys=self.state.keys - {key})

    def _rotate(self) -> OrganizationState | None:
        if not self.state.machines:
            return self._add()
        machine, _, _ = self._random.choice(self.state.machines)
        key = self._read(f"/machines/{machine}")["public_key"]
        answer = self._ask("POST", f"/machines/{machine}/rotate", {})
        if answer is None:
            return None
        return replace(self.state, keys=self.state.keys - {key} | {answer.body["machine"]["public_key"]})

    def _regroup(self) -> OrganizationState | None:
        if not self.state.machines:
            return self._add()
        machine, name, _ = self._random.choice(self.state.machines)
        groups = (self._random.choice(["red", "green", "blue"]),)
        if self._ask("PATCH", f"/machines/{machine}", {"groups": list(groups)}) is None:
            return None
        others = (each for each in self.state.machines if each[0] != machine)
        return replace(self.state, machines=tuple(sorted((*others, (machine, name, groups)))))

    def _flip(self) -> OrganizationState | None:
        default = "deny" if self.state.default == "allow" else "allow"
        if self._ask("PUT", "/policy", {"default": default, "rules": []}) is None:
            return None
        return replace(self.state, default=default)

    def _read(self, path: str) -> Any:
        return told(self._api, path, self._deadline_s)

    def _ask(self, method: str, path: str, body: Any = None) -> Answer | None:
        """The answer, or None where the change was refused for now or not answered.

        What takes an Idempotency-Key is asked for again until it is answered.
        """
        key = {"Idempotency-Key": f"{self._random.getrandbits(128):032x}"} if method == "POST" else {}
        while True:
            try:
                answer = self._api.send(method, path, body, headers=key)
            except httpx.TransportError:
                self.cut_off += 1
                wait_for_health(self._api, deadline_s=self._deadline_s)
                if not key:
                    self.unanswered += 1
                    return None
            else:
                break
        if key and answer.status == httpx.codes.CONFLICT and answer.body["type"] == _DONE_BEFORE:
            self.told += 1
            return None
        if answer.status == httpx.codes.SERVICE_UNAVAILABLE:
            self.refused += 1
            return None
        return _succeeded(answer, f"{method} {path}")


def sign_up(
    api: Api, name: str, deadline_s: float = DEADLINE_S, disturbed_at: Callable[[], float] = lambda: 0.0
) -> str:
    """Signs an organization up and gives its id, whoever is killed meanwhile.

    A sign-up that was not answered has made an organization that its owner can log in to, or it can be made again.

    Args:
        deadline_s: how long that may take; those who come between one kill and the next may find no time in which it
            can be done, so it counts from the last one.
        disturbed_at: tells when that was; monotonic seconds.

    Raises:
        Refuted: neither is so.
    """
    email, start = f"{name}@example.net", time.monotonic()
    while True:
        try:
            answer = api.send("POST", "/signup", {"email": email, "password": PASSWORD, "organization": name})
            if answer.status == httpx.codes.CONFLICT:
                answer = log_in(api, name)
        except httpx.TransportError:
            wait_for_health(api, deadline_s=deadline_s)
            continue
        if answer.status == httpx.codes.CREATED:
            api.token = str(answer.body["token"])
            return str(told(api, "/organization", deadline_s)["id"])
        # 401: the address is taken by what was cut off, and will be forgotten in a moment; 429: it was asked often.
        is_late = time.monotonic() > max(start, disturbed_at()) + deadline_s
        if answer.status not in (401, 429, 503) or is_late:
            raise Refuted(f"{name}: whoever was cut off can neither sign up nor log in: {answer.status} {answer.body}")
        time.sleep(_FORGOTTEN_S)


def log_in(api: Api, name: str) -> Answer:
    """What an organization's owner is answered at log-in."""
    return api.send("POST", "/sessions", {"email": f"{name}@example.net", "password": PASSWORD})


def told(api: Api, path: str, deadline_s: float = DEADLINE_S) -> Any:
    """What there is, as soon as somebody tells.

    Raises:
        Refuted: nobody does.
    """
    deadline = time.monotonic() + deadline_s
    while True:
        try:
            answer = api.send("GET", path)
        except httpx.TransportError:
            wait_for_health(api, deadline_s=deadline_s)
            continue
        if answer.status != httpx.codes.SERVICE_UNAVAILABLE or time.monotonic() > deadline:
            return _succeeded(answer, f"GET {path}").body
        time.sleep(_AGAIN_S)


def wait_for_health(api: Api, path: str = "/healthz", deadline_s: float = DEADLINE_S) -> None:
    """Until the service says that it is well.

    Raises:
        Refuted: it does not.
    """

    def is_well() -> bool:
        try:
            return api.send("GET", path).status == httpx.codes.OK
        except httpx.TransportError:
            return False

    require(is_well, f"the service does not say at {path} that it is well", deadline_s)


def require(condition: Callable[[], bool], otherwise: str, deadline_s: float = DEADLINE_S) -> None:
    """Waits until a condition holds.

    Raises:
        Refuted: it does not in time; ``otherwise`` says what that means.
    """
    if not wait_until(condition, deadline_s, _PAUSE_S):
        raise Refuted(f"{otherwise}, for {deadline_s:.0f} s")


def _succeeded(answer: Answer, call: str) -> Answer:
    if not 200 <= answer.status < 300:
        raise Refuted(f"{call} was answered {answer.status}: {answer.body}")
    return answer


def _is_one_step(before: OrganizationState, after: OrganizationState) -> bool:
    """Whether one change of a customer leads from the one to the other."""
    machines = len(set(before.machines) ^ set(after.machines))
    keys = len(before.keys ^ after.keys)
    return (machines, keys, before.default != after.default) in {
        (1, 1, False),  # added, removed
        (0, 2, False),  # rotated
        (2, 0, False),  # regrouped
        (0, 0, True),
    }
