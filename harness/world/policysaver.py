"""An owner who saves policies of every kind while the service is killed, and checks the outcome of each save."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from harness.judging.verdicts import Refuted
from harness.overlay.drawn import draw_rules
from harness.overlay.machine import Machine
from harness.overlay.mesh import Mesh, Rule
from harness.world.customer import DEADLINE_S, read, wait_for_health

# Kinds of saves, and beyond them whole policies.
_REMOVAL, _ADDITION, _WHOLE = range(3)
_REFUSED = frozenset((httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.TOO_MANY_REQUESTS))


@dataclass(frozen=True)
class ShownPolicy:
    """A policy as the service shows it.

    Attributes:
        rules: the rules with their ids; two policies are equal if their rules say the same.
    """

    default: str
    rules: tuple[Rule, ...] = field(compare=False)
    meaning: frozenset[tuple[tuple[str, ...], int]] = frozenset()

    def __str__(self) -> str:
        return f"default {self.default} and {len(self.rules)} rules"

    @staticmethod
    def of(default: str, rules: Sequence[Rule]) -> ShownPolicy:
        """Makes a policy of its rules."""
        counted = Counter(
            (
                rule["action"],
                rule["source"],
                rule["destination"],
                rule.get("protocol") or "any",
                rule.get("ports") or "all",
            )
            for rule in rules
        )
        return ShownPolicy(default, tuple(rules), frozenset(counted.items()))


class PolicySaver:
    """Owner of an organization who replaces its policy, and adds and removes single rules, by the choices of a seed.

    Args:
        mesh: the organization; nobody else saves its policy.
        machines: its machines, four or more.
        chance: draws the policies.
        deadline_s: seconds that the service may take to recover.

    Attributes:
        done: number of saves that were answered as done.
        refused: number of saves that were refused for the moment.
        cut_off: number of saves without an answer.
    """

    def __init__(
        self, mesh: Mesh, machines: Sequence[Machine], chance: random.Random, deadline_s: float = DEADLINE_S
    ) -> None:
        self.done = self.refused = self.cut_off = 0
        self._mesh = mesh
        # A connection of its own, since it is used in a thread of its own.
        self._api = mesh.api.duplicate()
        self._machines = [each.id for each in machines]
        self._chance = chance
        self._deadline_s = deadline_s
        self._policy = self._look()

    def step(self) -> None:
        """Saves once, and compares what the service then shows.

        Raises:
            Refuted: an answered save is missing, a refused one is shown, or one without an answer was made in part.
        """
        before = self._policy
        method, path, body, wanted = self._draw(before)
        possible: tuple[ShownPolicy, ...]
        try:
            answer = self._api.send(method, path, body)
        except httpx.TransportError:
            self.cut_off += 1
            wait_for_health(self._api, deadline_s=self._deadline_s)
            what, possible = "a save without an answer was made in part", (before, wanted)
        else:
            if answer.status in _REFUSED:
                self.refused += 1
                what, possible = f"a save that was answered {answer.status} is shown", (before,)
            elif 200 <= answer.status < 300:
                self.done += 1
                what, possible = "an answered save is missing", (wanted,)
            else:
                raise Refuted(f"{method} {path} was answered {answer.status}: {answer.body}")
        self._policy = self._look()
        if self._policy not in possible:
            raise Refuted(f"{what}: after {method} {path}, {before} became {self._policy}, and not {wanted}")

    def conclude(self) -> None:
        """Makes the policy that is shown the mesh's own.

        Raises:
            Refuted: the service shows another one than after the last step.
        """
        shown = self._look()
        if shown != self._policy:
            raise Refuted(f"a policy changed by itself: {self._policy} became {shown}")
        self._mesh.default, self._mesh.rules = shown.default, shown.rules

    def _draw(self, before: ShownPolicy) -> tuple[str, str, Any, ShownPolicy]:
        """Draws a save: method, path, body, and the policy that it makes."""
        kind = self._chance.randrange(4) if before.rules else _WHOLE
        if kind == _REMOVAL:
            removed = self._chance.choice(before.rules)
            left = [rule for rule in before.rules if rule is not removed]
            return "DELETE", f"/policy/rules/{removed['id']}", None, ShownPolicy.of(before.default, left)
        drawn = draw_rules(self._chance, self._machines)
        if kind == _ADDITION:
            return "POST", "/policy/rules", drawn[0], ShownPolicy.of(before.default, (*before.rules, drawn[0]))
        default = self._chance.choice(("allow", "deny"))
        return "PUT", "/policy", {"default": default, "rules": drawn}, ShownPolicy.of(default, drawn)

    def _look(self) -> ShownPolicy:
        shown = read(self._api, "/policy", self._deadline_s)
        return ShownPolicy.of(shown["default"], shown["rules"])
