"""Rules of namespaces: loaded, changed, adopted, and reloaded after changes by others."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial

import structlog

from appliance.hub.errors import HubError, RulesetError
from appliance.hub.findings import Damage, DamagedPart
from appliance.hub.kernel import counters, generation, nft, removal
from appliance.hub.kernel.generation import Ledger, LedgerEntry
from appliance.hub.kernel.nft import Rulesets
from appliance.hub.kernel.sockets import NetfilterSockets
from appliance.hub.names import KernelNames
from appliance.hub.ruleset import FULL, NONE_FULL, PACED, TABLE, Compilers, FullMachines, Removal, Ruleset, refusing
from appliance.model.desired import Desired
from appliance.model.errors import Invalid
from appliance.model.policy import Action, Policy

log = structlog.get_logger()

LastCheck = Callable[[], None]
"""Called at the last moment before a change takes effect; if it raises, the change does not."""

OwnChange = Callable[[str], AbstractContextManager[Callable[[], None]]]
"""Keeps a transaction in the namespace of that name from being reported as an event (`Watcher.own_change`)."""

OUT_BY_THEN_S = 0.05
"""Seconds after which no packet passes through a chain any more that nothing leads to."""
WAITS_S = 1.0
"""Longest time for which remains wait for others, to be removed in one transaction with them."""
_MOST_WAITING = 32
_NOT_YET = Ruleset()
"""Ruleset while a large one is being loaded: everything is denied."""


@dataclass(frozen=True)
class _ActiveRules:
    """Rules in force in a namespace.

    Attributes:
        desired: the state that they enforce.
        present: the ruleset, and the remains of earlier ones.
        left: for each remaining name, the time since which nothing leads there; monotonic seconds.
    """

    desired: Desired
    ruleset: Ruleset
    present: Ruleset
    left: Mapping[str, float] = field(default_factory=dict)

    def out_of_use(self) -> frozenset[str]:
        """Remains to remove: no packet can be passing through them any more.

        A transaction costs a tenth of a save, so that a few remains wait for more.
        """
        now = time.monotonic()
        found = frozenset(name for name, since in self.left.items() if now - since > OUT_BY_THEN_S)
        is_due = len(found) >= _MOST_WAITING or any(now - self.left[name] > WAITS_S for name in found)
        return found if is_due else frozenset()


def no_check() -> None:
    """Do nothing: the last check of a change that can't be given up."""


def _unwatched(name: str) -> AbstractContextManager[Callable[[], None]]:
    del name
    return nullcontext(no_check)


class Enforcement:
    """Loads rules. The caller serializes calls for one namespace.

    Args:
        ledger: expected generations of the namespaces' rules.
        sockets: sockets for requests to the kernel; own ones if None.
        own_change: entered for each of its transactions.
    """

    def __init__(
        self, ledger: Ledger, sockets: NetfilterSockets | None = None, own_change: OwnChange = _unwatched
    ) -> None:
        self._ledger = ledger
        self._own_change = own_change
        self._rulesets = Rulesets()
        self._sockets = sockets or NetfilterSockets()
        # By namespace: the generation after our last transaction, and the rules in force.
        self._generations: dict[str, int] = {}
        self._active: dict[str, _ActiveRules] = {}
        self._compilers = Compilers()
        self._full: dict[str, FullMachines] = {}

    def forget(self, name: str) -> None:
        """Drop all knowledge of a namespace, and all that keeps it alive."""
        self._rulesets.forget(name)
        self._sockets.forget(name)
        self._generations.pop(name, None)
        self._active.pop(name, None)
        self._compilers.forget(name)
        self._full.pop(name, None)
        self._ledger.forget(name)

    def close_idle(self) -> None:
        """Close what was kept open for further changes that did not come."""
        self._rulesets.close_idle()

    def enforce(self, names: KernelNames, desired: Desired) -> tuple[Damage, ...]:
        """Make sure that the namespace has the rules of this state; return the damage found.

        Raises:
            RulesetError: the kernel refused them.
            NamespaceError: there is no such namespace.
        """
        name = names.namespace
        now, known = generation.current(self._sockets, name), self._generations.get(name)
        if now == known and name in self._active:
            self.update(names, desired)
            self._tidy(names)
            return ()
        self._generations[name] = now
        self._active.pop(name, None)
        wanted = self._compiled(names, desired)
        if known is None and self._adopted(names, desired, wanted, self._ledger.noted(name)):
            return ()
        *parts, last = wanted.loading(nft.counters(name))
        for part in parts:
            self.load(names, part, _NOT_YET)
        self.load(names, last, wanted)
        self._active[name] = _ActiveRules(desired, wanted, wanted)
        return (Damage(DamagedPart.RULESET, "there were no rules" if known is None else "the rules were changed"),)

    def update(self, names: KernelNames, desired: Desired, last_check: LastCheck = no_check) -> None:
        """Change the rules in force to those of another state, in one transaction and with as few changes as possible.

        Args:
            last_check: called at the last moment before it takes effect.

        Raises:
            RulesetError: the rules were changed by others, or the kernel refused.
        """
        active = self._active[names.namespace]
        if (active.desired.peers, active.desired.policy) != (desired.peers, desired.policy):
            self._activate(names, active, desired, self._compiled(names, desired), last_check)
        else:
            last_check()

    def refuse(self, names: KernelNames, full: FullMachines) -> None:
        """Refuse new connections of these machines, and only these, until the next call.

        Raises:
            RulesetError: the rules were changed by others, or the kernel refused. It has to be asked for again.
        """
        name = names.namespace
        before, self._full[name] = self._full.get(name, NONE_FULL), full
        active = self._active.get(name)
        if full == before or active is None:
            return
        try:
            self._activate(names, active, active.desired, self._compiled(names, active.desired))
        except HubError:
            # Otherwise the next call would take it for done.
            self._full[name] = before
            raise

    def _activate(
        self,
        names: KernelNames,
        active: _ActiveRules,
        desired: Desired,
        wanted: Ruleset,
        last_check: LastCheck = no_check,
    ) -> None:
        gone = frozenset(name for name in active.out_of_use() if name not in wanted)
        # A chain that is wanted again still has its old statements, which may lead to what is removed now.
        again = sorted(name for name in active.left if name in wanted.chains) if gone else []
        base = active.present.without(gone, emptied=again)
        self._remove(names, active.present.removal(gone, emptied=again), active.ruleset)
        left = {name: since for name, since in active.left.items() if name not in gone}
        self._active[names.namespace] = active = replace(active, present=base, left=left)
        for part in wanted.preparation(base):
            self.load(names, part, active.ruleset)
        present = wanted.prepared(base)
        # If the activation is refused, nothing has ever led to the prepared chains.
        unused = present.beyond(active.ruleset)
        prepared = replace(active, present=present, left={name: active.left.get(name, 0.0) for name in unused})
        self._active[names.namespace] = prepared
        activation = wanted.activation(present)
        last_check()
        self.load(names, activation, wanted)
        now = time.monotonic()
        left = {name: active.left.get(name, now) for name in present.beyond(wanted)}
        self._active[names.namespace] = _ActiveRules(desired, wanted, wanted.activated(present), left)

    def refused(self, names: KernelNames) -> dict[str, int]:
        """Packets of new connections that bounds and paces have dropped, by counter.

        Raises:
            RulesetError: the kernel did not answer.
            NamespaceError: there is no such namespace.
        """
        return {name: counters.read_one(self._sockets, names.namespace, TABLE, name) for name in (FULL, PACED)}

    def _compiled(self, names: KernelNames, desired: Desired) -> Ruleset:
        """Compile this state; a policy that exceeds the limits of a save compiles to one that denies everything."""
        try:
            desired.check_size()
        except Invalid as error:
            log.error(
                "a policy is too large, so everything is denied", organization=desired.organization, why=error.detail
            )
            desired = replace(desired, policy=Policy(Action.DENY))
        compiled = self._compilers.compile(names.namespace, desired, names.link)
        full = self._full.get(names.namespace, NONE_FULL)
        return refusing(compiled, full) if full else compiled

    def _tidy(self, names: KernelNames) -> None:
        """Remove chains and counters that are out of use."""
        active = self._active[names.namespace]
        gone = active.out_of_use()
        if gone:
            self._remove(names, active.present.removal(gone), active.ruleset)
            left = {name: since for name, since in active.left.items() if name not in gone}
            self._active[names.namespace] = replace(active, present=active.present.without(gone), left=left)

    def _adopted(self, names: KernelNames, desired: Desired, wanted: Ruleset, noted: LedgerEntry | None) -> bool:
        """Adopt the rules of an earlier process if nobody changed them since; tell whether it was possible."""
        name = names.namespace
        now = self._generations[name]
        # An entry is written before its transaction, which may not have happened.
        if noted is None or now not in (noted.generation - 1, noted.generation):
            return False
        present = nft.present(name)
        # Another release's hooks and tables: a change of chains would leave them as they are.
        if present.hooks != wanted.hooks or nft.tables(name) != (f"inet {TABLE}",):
            return False
        if noted == LedgerEntry(now, wanted.fingerprint) and wanted.counters <= present.counters:
            left = dict.fromkeys(present.beyond(wanted), time.monotonic())
            self._active[name] = _ActiveRules(desired, wanted, wanted.activated(present), left)
            return True
        try:
            self._activate(names, _ActiveRules(desired, present, present), desired, wanted)
        except RulesetError:
            self._generations[name] = generation.current(self._sockets, name)
            return False
        return True

    def load(self, names: KernelNames, text: str, in_force: Ruleset) -> None:
        """Load one transaction, after which these rules are in force."""
        if text:
            self._change(names.namespace, in_force, lambda: self._rulesets.load(names.namespace, text))

    def _remove(self, names: KernelNames, gone: Removal, in_force: Ruleset) -> None:
        """Remove chains and counters; the rules in force stay the same."""
        for messages in removal.transactions(gone):
            self._change(names.namespace, in_force, partial(self._sockets.change, names.namespace, messages))

    def _change(self, name: str, in_force: Ruleset, transaction: Callable[[], None]) -> None:
        expected = self._generations[name] + 1
        # Noted before the transaction: after a kill in between, the next process accepts both generations.
        self._ledger.note(name, LedgerEntry(expected, in_force.fingerprint))
        with self._own_change(name) as discard_events:
            transaction()
            discard_events()
            if generation.current(self._sockets, name) != expected:
                raise RulesetError(f"the rules of {name} were changed by someone else at the same time")
        self._generations[name] = expected
