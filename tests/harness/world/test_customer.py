"""The crash scenario's customer notices lost and partial changes, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, cast

import httpx
import pytest

from harness.client.api import Api
from harness.judging.answer import Answer
from harness.judging.verdicts import Refuted
from harness.world.customer import Customer, sign_up

STEPS = 60


@dataclass
class Service:
    """Service with one organization in memory, and optional faults.

    Attributes:
        forgets: fault: answers additions of machines without making them.
        loses: leaves every third change without an answer, and makes every other one of these.
        refuses: fault: answers every third change with 503, and makes it.
        adds_rubbish: fault: makes another change beside each one without an answer.
        forgets_keys: fault: makes a repeated change again.
        tells_lies: fault: answers each repeated change as done before.
    """

    forgets: bool = False
    loses: bool = False
    refuses: bool = False
    adds_rubbish: bool = False
    forgets_keys: bool = False
    tells_lies: bool = False
    known: dict[str, bool] = field(default_factory=dict)
    token: str | None = None
    changes: int = 0
    keys: int = 0
    default: str = "allow"
    machines: dict[str, dict[str, Any]] = field(default_factory=dict)

    def send(self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None) -> Answer:
        """Answers a request; see `Api.send`."""
        if method == "GET" or path in ("/signup", "/organization"):
            return self._answer(*self._read(path))
        key = (headers or {}).get("Idempotency-Key", "")
        if key in self.known and (self.known[key] or self.tells_lies) and not self.forgets_keys:
            return self._answer(409, {"type": "urn:meshwg:problem:done-before"})
        self.changes += 1
        if self.refuses and self.changes % 3 == 0:
            self._change(method, path, body)
            return self._answer(503, {})
        is_lost = self.loses and self.changes % 3 == 0
        answer = None
        if not is_lost or self.changes % 2:
            answer = self._change(method, path, body)
        if key:
            self.known[key] = answer is not None
        if not is_lost:
            assert answer is not None
            return self._answer(*answer)
        if self.adds_rubbish:
            self._change("POST", "/machines", {"name": "rubbish"})
            self.default = "deny" if self.default == "allow" else "allow"
        raise httpx.ReadError("cut off")

    def _read(self, path: str) -> tuple[int, Any]:
        if path == "/machines":
            return 200, {"machines": list(self.machines.values())}
        if path == "/policy":
            return 200, {"default": self.default}
        if path.startswith("/machines/"):
            return 200, self.machines[path.rpartition("/")[2]]
        return (201 if path == "/signup" else 200), {"id": "acme", "token": "mws_"}

    def _change(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if path == "/policy":
            self.default = body["default"]
            return 200, body
        if path == "/machines":
            self.keys += 1
            made = {"id": f"m{self.keys}", "name": body["name"], "groups": [], "public_key": f"k{self.keys}"}
            if not self.forgets:
                self.machines[made["id"]] = made
            return 201, {"machine": made}
        name = path.split("/")[2]
        if method == "DELETE":
            del self.machines[name]
            return 204, None
        machine = self.machines[name]
        if method == "PATCH":
            machine |= body
        else:
            self.keys += 1
            machine["public_key"] = f"k{self.keys}"
        return 200, {"machine": dict(machine)}

    @staticmethod
    def _answer(status: int, body: Any) -> Answer:
        return Answer(status, body, 0, 0)


@pytest.fixture
def go() -> Callable[[Service], Customer]:
    """Makes a customer of a service take `STEPS` steps."""

    def steps(service: Service) -> Customer:
        customer = Customer(lambda: cast(Api, service), "acme", seed=1)
        for _ in range(STEPS):
            customer.step()
        return customer

    return steps


def test_a_healthy_service_passes(go: Callable[[Service], Customer]) -> None:
    assert go(Service()).done == STEPS


def test_a_change_without_an_answer_may_be_made_or_not(go: Callable[[Service], Customer]) -> None:
    customer = go(Service(loses=True))
    assert customer.cut_off > 0
    assert customer.confirmed > 0
    assert customer.done + customer.confirmed + customer.unanswered == STEPS


def test_an_answer_without_its_change_is_noticed(go: Callable[[Service], Customer]) -> None:
    with pytest.raises(Refuted, match="an answered change is missing"):
        go(Service(forgets=True))


def test_a_refused_change_that_is_made_is_noticed(go: Callable[[Service], Customer]) -> None:
    with pytest.raises(Refuted, match="a change that was refused is there"):
        go(Service(refuses=True))


def test_a_repeated_change_that_is_made_again_is_noticed(go: Callable[[Service], Customer]) -> None:
    with pytest.raises(Refuted, match="an answered change is missing"):
        go(Service(loses=True, forgets_keys=True))


def test_a_missing_change_that_is_answered_as_done_is_noticed(go: Callable[[Service], Customer]) -> None:
    with pytest.raises(Refuted, match="answered as done before, and is missing"):
        go(Service(loses=True, tells_lies=True))


def test_more_than_one_change_without_an_answer_is_noticed(go: Callable[[Service], Customer]) -> None:
    with pytest.raises(Refuted, match="made in part"):
        go(Service(loses=True, adds_rubbish=True))


@pytest.mark.parametrize("comes_back", [True, False])
def test_the_deadline_of_a_sign_up_starts_at_the_last_kill(monkeypatch: pytest.MonkeyPatch, comes_back: bool) -> None:
    service = Service()
    refusals = [Answer(503, {}, 0, 0)] * (50 if comes_back else 51)
    answers = iter(refusals)
    monkeypatch.setattr(service, "send", lambda *call: next(answers, None) or Service.send(service, *call))
    disturbed = iter([math.inf] * 50)
    expected = nullcontext() if comes_back else pytest.raises(Refuted, match="neither sign up nor log in: 503")
    with expected:
        assert sign_up(cast(Api, service), "guest", -1.0, lambda: next(disturbed, 0.0), retry_s=0.0) == "acme"
    assert next(answers, None) is None
