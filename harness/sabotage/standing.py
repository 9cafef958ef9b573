"""Sabotages of machines and organizations that are taken out of service: disabled, suspended."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from appliance.hub.plane.agreement import Agreement
from appliance.hub.plane.arbiter import Arbiter
from appliance.hub.rpc.callers import LOCAL, WaitingCaller
from appliance.hub.ruleset.lookups import Ends
from appliance.model.desired import Desired
from appliance.model.organization import Machine
from appliance.service import machines
from appliance.service.observed import ObservedMachine
from appliance.store import api_tokens
from harness.sabotage.parts import replace_part

_apply_change = Arbiter.apply
_change = machines.change
_changed = Ends.changed
_found = api_tokens.by_hash
_without_peer = Desired.without_peer


def disable_in_the_store_alone() -> None:
    """Stores that a machine is disabled, and leaves it a peer of the hub's link, which the hub does not notice."""
    disabling = threading.local()

    def change(*arguments: Any, **named: Any) -> ObservedMachine:
        disabling.now = named.get("enabled") is False
        try:
            return _change(*arguments, **named)
        finally:
            disabling.now = False

    def without_peer(self: Desired, machine: str) -> Desired:
        return self if getattr(disabling, "now", False) else _without_peer(self, machine)

    machines.change = change
    Desired.without_peer = without_peer  # type: ignore[method-assign]
    _compare_nothing()


def leave_out_returned_machines() -> None:
    """Takes the rules about a machine that is enabled again for unchanged, as if no rule could name a new machine."""

    def changed(self: Ends, after: Ends) -> frozenset[str]:
        return _changed(self, after).difference(after.addresses.keys() - self.addresses.keys())

    Ends.changed = changed  # type: ignore[method-assign]


def enable_by_a_new_key() -> None:
    """Enables a machine whose key is replaced."""

    def changed(machine: Machine, **changes: Any) -> Machine:
        return replace(machine, **{**changes, **({"enabled": True} if "public_key" in changes else {})})

    replace_part(machines, "replace", changed)


def suspend_in_the_store_alone() -> None:
    """Stores that an organization is suspended, and leaves its data plane, which the hub does not notice."""

    def apply(
        self: Arbiter,
        organization: str,
        desired: Desired | None,
        *,
        base: int,
        revision: int,
        caller: WaitingCaller = LOCAL,
    ) -> None:
        if desired is not None:
            _apply_change(self, organization, desired, base=base, revision=revision, caller=caller)

    Arbiter.apply = apply  # type: ignore[method-assign]
    _compare_nothing()


def let_suspended_programs_in() -> None:
    """Takes API tokens of suspended organizations."""

    def by_hash(transaction: Connection, token_hash: str, now: datetime) -> api_tokens.ApiToken | None:
        token = _found(transaction, token_hash, now)
        return None if token is None else replace(token, is_suspended=False)

    api_tokens.by_hash = by_hash


def _compare_nothing() -> None:
    """Never compares the data plane with the store."""

    def start(self: Agreement) -> None:
        del self

    Agreement.start = start  # type: ignore[method-assign]
