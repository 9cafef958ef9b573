"""The crash scenario's saver of policies notices lost, partial and wrongly refused saves, and nothing else."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any, cast

import httpx
import pytest

from harness.judging.answer import Answer
from harness.judging.verdicts import Refuted
from harness.overlay.machine import Machine
from harness.overlay.mesh import Mesh
from harness.world.policysaver import PolicySaver

STEPS = 40


@dataclass
class Policies:
    """Service with one policy in memory, and a fault.

    Attributes:
        fails: the fault in every third save.
    """

    fails: str = ""
    default: str = "allow"
    rules: list[dict[str, Any]] = field(default_factory=list)
    saves: int = 0
    made: int = 0

    def duplicate(self) -> Policies:
        """Returns itself; see `Api.duplicate`."""
        return self

    def send(self, method: str, path: str, body: Any = None) -> Answer:
        """Answers a request; see `Api.send`."""
        if path == "/healthz":
            return self._answer(200)
        if method == "GET":
            return self._answer(200, {"default": self.default, "rules": list(self.rules)})
        self.saves += 1
        fault = self.fails if self.saves % 3 == 0 else ""
        if fault not in ("cut off before", "refuses", "forgets"):
            self._save(method, path, body)
        if fault == "half":
            self.default = "deny" if self.default == "allow" else "allow"
            self.rules.pop()
        if fault in ("cut off before", "cut off after", "half"):
            raise httpx.ReadError("cut off")
        if fault in ("refuses", "refuses and saves"):
            return self._answer(503)
        return self._answer(500 if fault == "breaks" else 200)

    def _save(self, method: str, path: str, body: Any) -> None:
        if method == "DELETE":
            self.rules = [rule for rule in self.rules if rule["id"] != path.rpartition("/")[2]]
            return
        new = [body] if method == "POST" else body["rules"]
        if method == "PUT":
            self.default, self.rules = body["default"], []
        for rule in new:
            self.made += 1
            self.rules.append({"protocol": "any", "ports": None, **rule, "id": f"r{self.made}"})

    def _answer(self, status: int, body: Any = None) -> Answer:
        return Answer(status, body, 0, 0)


class Named:
    """Machine with an id."""

    def __init__(self, name: str) -> None:
        self.id = name


class Owned:
    """Organization of the policies."""

    def __init__(self, api: Policies) -> None:
        self.api = api
        self.default, self.rules = "", ()


def saver_of(policies: Policies) -> tuple[PolicySaver, Owned]:
    owned = Owned(policies)
    machines = cast("list[Machine]", [Named(f"m{number}") for number in range(4)])
    return PolicySaver(cast("Mesh", owned), machines, random.Random(7), 1.0), owned


def save_often(saver: PolicySaver) -> None:
    for _ in range(STEPS):
        saver.step()


@pytest.mark.parametrize("fault", ["", "refuses", "cut off before", "cut off after"])
def test_a_sound_service_is_not_refuted(fault: str) -> None:
    policies = Policies(fault)
    saver, owned = saver_of(policies)
    save_often(saver)
    saver.conclude()
    assert saver.done + saver.refused + saver.cut_off == STEPS
    assert (saver.refused > 0, saver.cut_off > 0) == (fault == "refuses", fault.startswith("cut off"))
    assert (owned.default, list(owned.rules)) == (policies.default, policies.rules)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("forgets", "an answered save is missing"),
        ("refuses and saves", "a save that was answered 503 is shown"),
        ("half", "a save without an answer was made in part"),
        ("breaks", "was answered 500"),
    ],
)
def test_a_fault_is_noticed(fault: str, words: str) -> None:
    saver, _ = saver_of(Policies(fault))
    with pytest.raises(Refuted, match=words):
        save_often(saver)


def test_a_policy_that_changes_by_itself_is_noticed() -> None:
    policies = Policies()
    saver, _ = saver_of(policies)
    saver.step()
    policies.rules.pop()
    with pytest.raises(Refuted, match="changed by itself"):
        saver.conclude()
