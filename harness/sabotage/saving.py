"""Sabotages of saving policies."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import structlog
from sqlalchemy import Connection

from appliance.model import port_ranges
from appliance.model.errors import PreconditionFailed
from appliance.model.organization import Machine
from appliance.model.policy import Policy, Rule
from appliance.model.port_ranges import PortRange
from appliance.service import changes, expectations, machines, recording
from appliance.service import policy as policies
from appliance.service.actor import Actor
from appliance.service.changes import CarriedOut, OpenChange
from appliance.service.context import Context
from appliance.service.machine_versions import Condition
from appliance.service.recording import Note
from appliance.store import policy_history
from appliance.store.policies import SavedPolicy
from harness.sabotage.parts import replace_part

_LATE_S = 0.15
_MEANWHILE_S = 0.03
_add_rule = policies.add_rule
_change_rule = policies.change_rule
_save = policies.save
_earlier = policy_history.earlier

log = structlog.get_logger()


def answer_single_rules_first() -> None:
    """Answers the addition of a single rule first, and saves it 150 ms later."""

    def add_rule(
        context: Context, actor: Actor, rule: Rule, *, seen: Collection[int] | None = None, force: bool = False
    ) -> CarriedOut[Rule]:
        threading.Timer(_LATE_S, _add_rule, (context, actor, rule), {"seen": seen, "force": force}).start()
        return CarriedOut(rule, None)

    policies.add_rule = add_rule


def restore_the_next_version() -> None:
    """Restores the version of a policy that came after the wanted one."""

    def earlier(
        transaction: Connection, organization_id: str, present: Policy, present_version: int, version: int
    ) -> Policy | None:
        return _earlier(transaction, organization_id, present, present_version, min(version + 1, present_version))

    policy_history.earlier = earlier


def leave_the_action_of_a_changed_rule() -> None:
    """Answers a change of a rule's action, and changes only its other parts."""

    def change_rule(
        context: Context,
        actor: Actor,
        rule_id: str,
        parts: Mapping[str, str],
        *,
        seen: Collection[int] | None = None,
        force: bool = False,
    ) -> CarriedOut[Rule]:
        others = {name: value for name, value in parts.items() if name != "action"}
        return _change_rule(context, actor, rule_id, others, seen=seen, force=force)

    policies.change_rule = change_rule


def swallow_an_error_after_each_save() -> None:
    """Fails at something after each save of the whole policy, logs the error, and answers all the same."""

    def save(*arguments: Any, **named: Any) -> CarriedOut[SavedPolicy]:
        saved = _save(*arguments, **named)
        try:
            raise LookupError(saved.result.version)
        except LookupError:
            log.exception("a saved policy was not counted")
        return saved

    policies.save = save


def look_at_no_version() -> None:
    """Saves a whole policy whatever version it was meant to replace."""

    def save(*arguments: Any, **named: Any) -> CarriedOut[SavedPolicy]:
        return _save(*arguments, **{**named, "version": None})

    policies.save = save


def look_at_no_etag() -> None:
    """Saves policies and rules whatever version the ETag of the request names."""

    def check_seen(change: OpenChange, seen: Collection[int] | None) -> None:
        del change, seen

    replace_part(policies, "check_seen", check_seen)


def look_at_etags_first() -> None:
    """Compares the ETag with the policy's version before a rule's turn to be added, and not when it is."""

    def add_rule(
        context: Context, actor: Actor, rule: Rule, *, seen: Collection[int] | None = None, force: bool = False
    ) -> CarriedOut[Rule]:
        version, _ = policies.latest(context, actor)
        if seen is not None and version not in seen:
            raise PreconditionFailed("The policy was saved meanwhile.")
        time.sleep(_MEANWHILE_S)
        return _add_rule(context, actor, rule, force=force)

    policies.add_rule = add_rule


def add_to_the_policy_as_it_was() -> None:
    """Adds a rule to the policy as it was when the request came, whatever was saved since."""

    def add_rule(
        context: Context, actor: Actor, rule: Rule, *, seen: Collection[int] | None = None, force: bool = False
    ) -> CarriedOut[Rule]:
        _, state = policies.enforced(context, actor)
        time.sleep(_MEANWHILE_S)
        saved = _save(context, actor, state.policy.with_rules([rule]), seen=seen, force=force)
        return CarriedOut(rule, saved.enforced_s)

    policies.add_rule = add_rule


def expect_nothing() -> None:
    """Makes changes whatever expectations they break."""

    def broken_by(*arguments: Any, **named: Any) -> list[str]:
        del arguments, named
        return []

    expectations.broken_by = broken_by


def end_ranges_with_inner_ones() -> None:
    """Ends a range of ports with a later one of the rule that begins within it."""

    def merge_ports(ranges: Iterable[PortRange]) -> tuple[PortRange, ...]:
        merged: list[PortRange] = []
        for each in sorted(ranges):
            if merged and each.first <= merged[-1].last + 1:
                merged[-1] = PortRange(merged[-1].first, each.last)
            else:
                merged.append(each)
        return tuple(merged)

    port_ranges.merge_ports = merge_ports


def leave_the_trail_out() -> None:
    """Writes no entry into the audit trail about changes of machines and policy."""
    write_trail = recording.write_trail

    def unwritten(context: Context, transaction: Connection, actor: Actor, note: Note) -> None:
        note.detail = None
        write_trail(context, transaction, actor, note)

    replace_part(changes, "write_trail", unwritten)


def forget_what_a_change_leaves_out() -> None:
    """Changes a part of a rule, and takes protocol and ports for any unless the change names them."""

    def change_rule(
        context: Context, actor: Actor, rule_id: str, parts: Mapping[str, str], **conditions: Any
    ) -> CarriedOut[Rule]:
        return _change_rule(context, actor, rule_id, {"protocol": "any", "ports": "", **parts}, **conditions)

    policies.change_rule = change_rule


def look_at_no_condition_of_machines() -> None:
    """Changes a machine whatever the ETag in the request."""

    def check_seen(machine: Machine, seen: Condition | None) -> None:
        del machine, seen

    replace_part(machines, "check_seen", check_seen)


def keep_expectations_of_machines() -> None:
    """Keeps the expectations that name a removed machine."""

    def drop_of_machine(change: OpenChange, machine: str) -> list[str]:
        del change, machine
        return []

    expectations.drop_of_machine = drop_of_machine
