"""Comparison of what the service shows with what was made."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.judging.verdicts import Refuted
from harness.overlay.machine import Machine
from harness.overlay.mesh import Mesh
from harness.world import shown
from netlab import genkey, pubkey

KEY = genkey()
MACHINE = {
    "id": "m1",
    "name": "mumbai",
    "address": "10.100.0.2",
    "groups": ["west"],
    "enabled": True,
    "public_key": pubkey(KEY),
}
RULE = {"action": "deny", "source": "any", "destination": "group:west"}
SHOWN_RULE = {"id": "r1", **RULE, "protocol": "any", "ports": "all", "description": ""}


def mesh(answers: dict[str, Any]) -> Mesh:
    """Makes an organization with one rule, of which the service shows this, by path."""
    api = SimpleNamespace(call=lambda _, path: SimpleNamespace(body=answers[path.partition("?")[0]]))
    machines = {each["id"]: each for each in answers.get("/machines", [])}
    found = SimpleNamespace(api=api, default="allow", rules=(RULE,), listed=lambda: machines)
    return cast(Mesh, found)


def machine() -> Machine:
    made: Any = SimpleNamespace(
        id="m1", name="mumbai", address="10.100.0.2", groups=("west",), config=f"[Interface]\nPrivateKey = {KEY}\n"
    )
    return cast(Machine, made)


def test_machines_as_they_were_made_are_accepted() -> None:
    shown.check_machines(mesh({"/machines": [MACHINE]}), [machine()], [])
    shown.check_machines(mesh({"/machines": [MACHINE | {"enabled": False}]}), [], [machine()])


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", "pune"), ("address", "10.100.0.3"), ("groups", []), ("enabled", False), ("public_key", pubkey(genkey()))],
)
def test_a_machine_with_another_property_is_refuted(field: str, value: object) -> None:
    with pytest.raises(Refuted, match=field):
        shown.check_machines(mesh({"/machines": [MACHINE | {field: value}]}), [machine()], [])


def test_a_machine_too_many_or_too_few_is_refuted() -> None:
    with pytest.raises(Refuted, match="m1"):
        shown.check_machines(mesh({"/machines": [MACHINE]}), [], [])
    with pytest.raises(Refuted, match="m1"):
        shown.check_machines(mesh({}), [machine()], [])


def test_a_policy_as_it_was_saved_is_accepted() -> None:
    shown.check_policy(mesh({"/policy": {"default": "allow", "rules": [SHOWN_RULE]}}))


@pytest.mark.parametrize(
    "policy",
    [
        {"default": "deny", "rules": [SHOWN_RULE]},
        {"default": "allow", "rules": []},
        {"default": "allow", "rules": [SHOWN_RULE, SHOWN_RULE | {"id": "r2"}]},
        {"default": "allow", "rules": [SHOWN_RULE | {"protocol": "tcp"}]},
        {"default": "allow", "rules": [SHOWN_RULE | {"ports": "22"}]},
        {"default": "allow", "rules": [SHOWN_RULE | {"description": "another"}]},
    ],
)
def test_another_policy_is_refuted(policy: dict[str, Any]) -> None:
    with pytest.raises(Refuted):
        shown.check_policy(mesh({"/policy": policy}))


def test_a_trail_tells_of_each_act_and_no_other() -> None:
    entries = [{"action": each} for each in ("policy.saved", "session.opened", "machine.added")]
    told = mesh({"/audit": {"entries": entries}})
    shown.check_trail(told, ["machine.added", "policy.saved"])
    for acts in ([], ["machine.added"], ["policy.saved", "machine.added"], ["machine.added", "policy.saved"] * 2):
        with pytest.raises(Refuted, match="audit trail"):
            shown.check_trail(told, acts)
