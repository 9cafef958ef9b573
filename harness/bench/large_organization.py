"""Time of a large organization's saves, and of a small organization's saves beside it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from harness.bench.beside import Measured, measured
from harness.client.api import Api, ApiError
from harness.hostile import policies
from harness.judging.verdicts import Inconclusive
from harness.world.world import PASSWORD, World

_RULES_OF_A_MACHINE = 25
_RULE = {"action": "deny", "source": "any", "destination": "any", "protocol": "udp", "ports": "9"}


def measure(world: World, machines: int, saves: int, tell: Callable[[str], None]) -> dict[str, Measured]:
    """Measures saves of a small organization, of a large one, and of the small one while the large one saves.

    The first two take turns, so that other load slows both alike.

    Args:
        machines: machines of the large organization; it has `_RULES_OF_A_MACHINE` rules for each.
        saves: number of rules that are added and removed, for each kind.
        tell: takes messages about progress.

    Raises:
        Inconclusive: the large organization saved too rarely.
    """
    rules = machines * _RULES_OF_A_MACHINE
    small, large = (_organization(world.subject.api(), name) for name in ("small", "large"))
    tell(f"an organization of {machines} machines and {rules} rules")
    policies.grow(large, machines, rules)
    tell(f"{saves} saves of one rule, in turns with those of an organization without rules")
    quiet, own = [], []
    for _ in range(saves):
        quiet += _save_and_undo(small)
        own += _save_and_undo(large)
    tell(f"{saves} saves of the small one while the large one adds rules")
    over = threading.Event()
    added: list[float] = []
    thread = threading.Thread(target=_add_rules, args=(large.duplicate(), over, added))
    thread.start()
    try:
        beside = [each for _ in range(saves) for each in _save_and_undo(small)]
    finally:
        over.set()
        thread.join()
    if len(added) < saves // 10:
        raise Inconclusive(f"the large organization saved {len(added)} times only")
    return {
        "save-large": measured(own, quiet, "ms", "an organization without rules"),
        "save-beside-large": measured(beside, quiet, "ms", "the same alone", f"{len(added)} saves beside it"),
    }


def _organization(api: Api, name: str) -> Api:
    api.sign_up(f"{name}@example.net", PASSWORD, name)
    return api


def _save_and_undo(api: Api) -> list[float]:
    added = api.call("POST", "/policy/rules", _RULE)
    removed = api.call("DELETE", f"/policy/rules/{added.body['id']}")
    return [added.seconds * 1e3, removed.seconds * 1e3]


def _add_rules(api: Api, over: threading.Event, added: list[float]) -> None:
    rule: dict[str, Any] = dict(_RULE)
    with suppress(ApiError):
        while not over.is_set():
            rule["description"] = f"rule {len(added)}"
            added.append(api.call("POST", "/policy/rules", rule).seconds)
    api.close()
