"""A customer who never loses count: what was answered holds, and what was not was done as a whole or not at all."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, replace
from http.client import HTTPException
from typing import Any

from tests.appliance.cli.started import DEADLINE, call, wait_for_health

PASSWORD = "correct horse battery"
_CUT_OFF = (OSError, HTTPException)


@dataclass(frozen=True)
class State:
    """What an organization is, for its owner.

    Attributes:
        machines: by id, name and groups.
        keys: of those machines.
    """

    machines: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    keys: frozenset[str] = frozenset()
    default: str = "allow"


class Tenant:
    """Asks for random changes, one after the other.

    Attributes:
        cut_off: how many were not answered.
        refused: how many were answered 503.
        done: how many were answered as done.
    """

    def __init__(self, name: str, seed: int) -> None:
        self.cut_off = self.refused = self.done = 0
        self._random = random.Random(seed)
        self._number = 0
        self.id, self._token = sign_up(name)
        while self._ask("PATCH", "/organization", {"plan": "paid"}) is None:
            pass
        self.state = State()

    def step(self) -> None:
        """One change. Raises AssertionError where its outcome is neither of the two that there may be."""
        before = self.state
        wish = self._random.choice([self._add, self._remove, self._rotate, self._regroup, self._flip])
        answer = wish()
        if answer is not None:
            self.done += 1
        after = self.look()
        if answer is None:
            assert after == before or _is_one_step(before, after), (wish.__name__, before, after)
        self.state = after

    def look(self) -> State:
        """What there is, as soon as somebody tells."""
        machines = _told("/machines", self._token)["machines"]
        return State(
            tuple(sorted((each["id"], each["name"], tuple(each["groups"])) for each in machines)),
            frozenset(each["public_key"] for each in machines),
            _told("/policy", self._token)["default"],
        )

    def _add(self) -> object:
        self._number += 1
        name = f"machine {self._number}"
        answer = self._ask("POST", "/machines", {"name": name})
        if answer is not None:
            machine = answer["machine"]
            added = (machine["id"], name, ())
            expected = tuple(sorted((*self.state.machines, added)))
            self._expects(replace(self.state, machines=expected, keys=self.state.keys | {machine["public_key"]}))
        return answer

    def _remove(self) -> object:
        if len(self.state.machines) < 3:
            return self._add()
        gone = self._random.choice(self.state.machines)
        answer = self._ask("DELETE", f"/machines/{gone[0]}")
        if answer is not None:
            left = tuple(each for each in self.state.machines if each != gone)
            assert self.look().machines == left
        return answer

    def _rotate(self) -> object:
        if not self.state.machines:
            return self._add()
        machine, _, _ = self._random.choice(self.state.machines)
        answer = self._ask("POST", f"/machines/{machine}/rotate", {})
        if answer is not None:
            now = self.look()
            assert (now.machines, now.default) == (self.state.machines, self.state.default)
            assert now.keys - self.state.keys == {answer["machine"]["public_key"]}
        return answer

    def _regroup(self) -> object:
        if not self.state.machines:
            return self._add()
        at = self._random.randrange(len(self.state.machines))
        machine, name, _ = self.state.machines[at]
        groups = (self._random.choice(["red", "green", "blue"]),)
        answer = self._ask("PATCH", f"/machines/{machine}", {"groups": list(groups)})
        if answer is not None:
            others = (each for each in self.state.machines if each[0] != machine)
            self._expects(replace(self.state, machines=tuple(sorted((*others, (machine, name, groups))))))
        return answer

    def _flip(self) -> object:
        default = "deny" if self.state.default == "allow" else "allow"
        answer = self._ask("PUT", "/policy", {"default": default, "rules": []})
        if answer is not None:
            self._expects(replace(self.state, default=default))
        return answer

    def _expects(self, state: State) -> None:
        found = self.look()
        assert found == state, (found, state)

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        """The answer's body (a 204's is empty), or None where the change was refused or not answered."""
        try:
            status, answer = call(method, f"/api/v1{path}", body, self._token)
        except _CUT_OFF:
            self.cut_off += 1
            wait_for_health()
            return None
        if status == 503:
            self.refused += 1
            return None
        assert status in (200, 201, 204), (status, answer)
        return {} if answer is None else answer


def sign_up(name: str) -> tuple[str, str]:
    """Id and token of a new organization, whoever is killed meanwhile.

    A sign-up that was not answered has made an organization that its owner can log in to, or it can be made again.
    """
    wishes = {"email": f"owner@{name}.example", "password": PASSWORD, "organization": name}
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            status, made = call("POST", "/api/v1/signup", wishes)
            if status == 409:
                status, made = call("POST", "/api/v1/sessions", {"email": wishes["email"], "password": PASSWORD})
        except _CUT_OFF:
            wait_for_health()
            continue
        if status == 201:
            token = str(made["token"])
            return str(_told("/organization", token)["id"]), token
        # 401: the address is taken by what was cut off, and will be forgotten in a moment.
        assert status in (401, 503), (status, made)
        assert time.monotonic() < deadline, (status, made)
        time.sleep(1.0)


def _is_one_step(before: State, after: State) -> bool:
    """Whether one change of `Tenant` leads from the one to the other."""
    machines = len(set(before.machines) ^ set(after.machines))
    keys = len(before.keys ^ after.keys)
    return (machines, keys, before.default != after.default) in {
        (1, 1, False),  # added, removed
        (0, 2, False),  # rotated
        (2, 0, False),  # regrouped
        (0, 0, True),
    }


def _told(path: str, token: str) -> Any:
    """What there is, as soon as somebody tells."""
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            status, answer = call("GET", f"/api/v1{path}", token=token)
        except _CUT_OFF:
            wait_for_health()
            continue
        if status == 200:
            return answer
        assert status == 503, (status, answer)
        assert time.monotonic() < deadline
        time.sleep(0.2)
