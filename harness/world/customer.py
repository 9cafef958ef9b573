"""A customer who makes random changes and checks each: answered ones hold, others are made as a whole or not at all."""

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
"""Longest wait for a service whose processes were killed; seconds."""

_DONE_BEFORE = "urn:meshwg:problem:done-before"
_PAUSE_S = 0.05
_RETRY_S = 0.2
_SIGN_UP_RETRY_S = 1.0
"""Time after which the service forgets a sign-up that was cut off."""


@dataclass(frozen=True)
class OrganizationState:
    """State of an organization as its owner sees it.

    Attributes:
        machines: id, name and groups of each machine.
        keys: public keys of the machines.
        default: default of the policy, ``allow`` or ``deny``.
    """

    machines: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    keys: frozenset[str] = frozenset()
    default: str = "allow"


class Customer:
    """Owner of an organization who requests random changes, one after the other.

    Args:
        new_api: opens an API connection that is not signed in.
        name: unique name of the organization, also used in the owner's address.
        seed: seed of the choices.
        deadline_s: seconds that the service may take to recover.

    Attributes:
        state: the organization after the last step.
        cut_off: number of requests without an answer.
        unanswered: number of these that were not repeated.
        refused: number of changes that were answered 503.
        done: number of changes that were answered as done.
        confirmed: number of changes without an answer whose repetition was answered as done before.
    """

    def __init__(self, new_api: Callable[[], Api], name: str, seed: int, deadline_s: float = DEADLINE_S) -> None:
        self.name = name
        self.cut_off = self.unanswered = self.refused = self.done = self.confirmed = 0
        self._random = random.Random(seed)  # noqa: S311 - a choice, no secret
        self._number = 0
        self._was_refused = False
        self._deadline_s = deadline_s
        self._api = new_api()
        self.id = sign_up(self._api, name, deadline_s)
        while self._request("PATCH", "/organization", {"plan": "paid"}) is None:
            pass
        self.state = OrganizationState()

    def step(self) -> None:
        """Requests a random change, and checks its outcome.

        Raises:
            Refuted: an answered change is missing, a refused one is there, or one without an answer was made in part.
        """
        before, confirmed, self._was_refused = self.state, self.confirmed, False
        change = self._random.choice([self._add, self._remove, self._rotate, self._regroup, self._flip])
        expected = change()
        after = self.look()
        if expected is None:
            if after != before and self._was_refused:
                raise Refuted(f"{self.name}: a change that was refused is there: {before} became {after}")
            if after != before and not _is_one_step(before, after):
                raise Refuted(f"{self.name}: a change without an answer was made in part: {before} became {after}")
            if after == before and self.confirmed > confirmed:
                raise Refuted(f"{self.name}: a repeated change was answered as done before, and is missing")
        else:
            self.done += 1
            if after != expected:
                raise Refuted(f"{self.name}: an answered change is missing: expected {expected}, found {after}")
        self.state = after

    def look(self) -> OrganizationState:
        """Reads the organization's state, as soon as the service answers."""
        machines = self._read("/machines")["machines"]
        return OrganizationState(
            tuple(sorted((each["id"], each["name"], tuple(each["groups"])) for each in machines)),
            frozenset(each["public_key"] for each in machines),
            self._read("/policy")["default"],
        )

    # Each of these requests one change. They return the state that its answer promises; None without such an answer.

    def _add(self) -> OrganizationState | None:
        self._number += 1
        name = f"machine {self._number}"
        answer = self._request("POST", "/machines", {"name": name})
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
        if self._request("DELETE", f"/machines/{gone[0]}") is None:
            return None
        machines = tuple(each for each in self.state.machines if each != gone)
        return replace(self.state, machines=machines, keys=self.state.keys - {key})

    def _rotate(self) -> OrganizationState | None:
        if not self.state.machines:
            return self._add()
        machine, _, _ = self._random.choice(self.state.machines)
        key = self._read(f"/machines/{machine}")["public_key"]
        answer = self._request("POST", f"/machines/{machine}/rotate", {})
        if answer is None:
            return None
        return replace(self.state, keys=self.state.keys - {key} | {answer.body["machine"]["public_key"]})

    def _regroup(self) -> OrganizationState | None:
        if not self.state.machines:
            return self._add()
        machine, name, _ = self._random.choice(self.state.machines)
        groups = (self._random.choice(["red", "green", "blue"]),)
        if self._request("PATCH", f"/machines/{machine}", {"groups": list(groups)}) is None:
            return None
        others = (each for each in self.state.machines if each[0] != machine)
        return replace(self.state, machines=tuple(sorted((*others, (machine, name, groups)))))

    def _flip(self) -> OrganizationState | None:
        default = "deny" if self.state.default == "allow" else "allow"
        if self._request("PUT", "/policy", {"default": default, "rules": []}) is None:
            return None
        return replace(self.state, default=default)

    def _read(self, path: str) -> Any:
        return read(self._api, path, self._deadline_s)

    def _request(self, method: str, path: str, body: Any = None) -> Answer | None:
        """Requests a change. A POST is repeated with its Idempotency-Key until it is answered.

        Returns:
            The answer; None if the change was refused with 503, was not answered, or was done before.
        """
        key = {"Idempotency-Key": f"{self._random.getrandbits(128):032x}"} if method == "POST" else {}
        is_first = True
        while True:
            try:
                answer = self._api.send(method, path, body, headers=key)
            except httpx.TransportError:
                is_first = False
                self.cut_off += 1
                wait_for_health(self._api, deadline_s=self._deadline_s)
                if not key:
                    self.unanswered += 1
                    return None
            else:
                break
        if key and answer.status == httpx.codes.CONFLICT and answer.body["type"] == _DONE_BEFORE:
            self.confirmed += 1
            return None
        if answer.status == httpx.codes.SERVICE_UNAVAILABLE:
            self.refused += 1
            # An attempt before, without an answer, may have been made.
            self._was_refused = is_first
            return None
        return _succeeded(answer, f"{method} {path}")


def sign_up(
    api: Api,
    name: str,
    deadline_s: float = DEADLINE_S,
    disturbed_at: Callable[[], float] = lambda: 0.0,
    retry_s: float = _SIGN_UP_RETRY_S,
) -> str:
    """Signs an organization up, even if processes are killed meanwhile.

    After a sign-up without an answer, the owner can log in or sign up again.

    Args:
        deadline_s: longest time in seconds, from the last kill on: there may be too little time between two kills.
        disturbed_at: returns the time of the last kill, in monotonic seconds.
        retry_s: seconds between two attempts.

    Returns:
        The organization's id.

    Raises:
        Refuted: the owner can neither log in nor sign up.
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
            return str(read(api, "/organization", deadline_s)["id"])
        # 401: the sign-up that was cut off still has the address, and will be forgotten soon. 429: too many requests.
        is_late = time.monotonic() > max(start, disturbed_at()) + deadline_s
        if answer.status not in (401, 429, 503) or is_late:
            raise Refuted(f"{name}: the owner can neither sign up nor log in: {answer.status} {answer.body}")
        time.sleep(retry_s)


def log_in(api: Api, name: str) -> Answer:
    """Tries to log in as the owner of a customer's organization."""
    return api.send("POST", "/sessions", {"email": f"{name}@example.net", "password": PASSWORD})


def read(api: Api, path: str, deadline_s: float = DEADLINE_S) -> Any:
    """Reads a resource of the API, as soon as the service answers.

    Returns:
        The body of the answer.

    Raises:
        Refuted: the service refuses, or does not answer in time.
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
        time.sleep(_RETRY_S)


def wait_for_health(api: Api, path: str = "/healthz", deadline_s: float = DEADLINE_S) -> None:
    """Waits until the service answers that it is healthy.

    Raises:
        Refuted: it does not in time.
    """

    def is_healthy() -> bool:
        try:
            return api.send("GET", path).status == httpx.codes.OK
        except httpx.TransportError:
            return False

    require(is_healthy, f"the service does not answer at {path} that it is healthy", deadline_s)


def require(condition: Callable[[], bool], otherwise: str, deadline_s: float = DEADLINE_S) -> None:
    """Waits until a condition holds.

    Args:
        otherwise: sentence that is true if the condition does not hold.

    Raises:
        Refuted: the condition does not hold in time.
    """
    if not wait_until(condition, deadline_s, _PAUSE_S):
        raise Refuted(f"{otherwise}, for {deadline_s:.0f} s")


def _succeeded(answer: Answer, call: str) -> Answer:
    if not 200 <= answer.status < 300:
        raise Refuted(f"{call} was answered {answer.status}: {answer.body}")
    return answer


def _is_one_step(before: OrganizationState, after: OrganizationState) -> bool:
    """Returns True if a single change of a customer leads from one state to the other."""
    machines = len(set(before.machines) ^ set(after.machines))
    keys = len(before.keys ^ after.keys)
    return (machines, keys, before.default != after.default) in {
        (1, 1, False),  # added, removed
        (0, 2, False),  # rotated
        (2, 0, False),  # regrouped
        (0, 0, True),
    }
