"""Makes one organization's part of the kernel what it should be, from whatever state it is in.

The same code builds what is new, adopts what an earlier process left, and heals what was damaged. Rules come before
everything that could let a packet through, and peers come last: on the way from any state to the right one, nothing
passes that the policy denies.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from appliance.hub import namespace, nft, routing
from appliance.hub.errors import LinkError, RulesetError
from appliance.hub.events import Watcher
from appliance.hub.findings import Finding, Part
from appliance.hub.generation import Entry, Generations, Ledger
from appliance.hub.names import Names, Places
from appliance.hub.nft import Rulesets
from appliance.hub.ruleset import Count, Ruleset, compile_ruleset, rule_of
from appliance.hub.wireguard import Backend
from appliance.model.desired import Desired

_OUT_BY_THEN_S = 0.2

Endpoints = Callable[[str], Mapping[str, str]]


class Reconciler:
    """Works on one organization at a time; the caller sees to it that nobody else does.

    Args:
        names: what this instance's things are called.
        backend: the WireGuard implementation.
        open_key: gives the hub's private key for an organization, in base64.
        ledger: which generation of its rules each namespace should have.
        watcher: is told of namespaces and processes that came or went.
        endpoints: where an organization's machines were heard from last, by public key.
    """

    def __init__(
        self,
        names: Names,
        backend: Backend,
        open_key: Callable[[Desired], str],
        ledger: Ledger,
        watcher: Watcher,
        endpoints: Endpoints,
    ) -> None:
        self._names = names
        self._backend = backend
        self._open_key = open_key
        self._ledger = ledger
        self._watcher = watcher
        self._endpoints = endpoints
        self._rulesets = Rulesets()
        self._kernel = Generations()
        # By namespace, what our last transaction left there and what that enforces.
        self._generations: dict[str, int] = {}
        self._judged: dict[str, _Judged] = {}

    def make_whole(self, desired: Desired) -> tuple[Finding, ...]:
        """The kernel has this state when it returns; what it did not have is told.

        Raises:
            HubError: a part of it can't be made. What was made by then denies at least what the policy denies.
        """
        places = self._names.places(desired.organization)
        found = [*self._name(places, desired.organization)]
        found += self._judge(places, desired)
        found += routing.remove_strangers(places)
        found += (rebuilt := self._link(places, desired))
        found += routing.mend(places, desired.network)
        found += self._peers(places, desired)
        if any(finding.part in (Part.LINK, Part.PEER) for finding in found):
            self._start_handshakes(places, desired)
        if rebuilt or self._watcher.namespace_of(desired.organization) is None:
            self._watcher.watch(desired.organization, places.namespace, self._backend.process(places))
        return tuple(found)

    def judge_anew(self, desired: Desired) -> tuple[Finding, ...]:
        """As `make_whole`, for the rules alone."""
        return self._judge(self._names.places(desired.organization), desired)

    def change(self, before: Desired, after: Desired) -> None:
        """From one state that is in force to another of the same link: who leaves goes first, who comes, last.

        Raises:
            HubError: what is there is not what was left there, or the kernel refused.
        """
        places = self._names.places(after.organization)
        had = {peer.public_key: peer.address for peer in before.peers}
        wants = {peer.public_key: peer.address for peer in after.peers}
        # A key that moves to another address leaves its old one before the rules speak of the new.
        leaving = [key for key, address in had.items() if wants.get(key) != address]
        if leaving:
            self._backend.change(places, add=(), remove=leaving)
        self._rejudge(places, after)
        coming = [peer for peer in after.peers if had.get(peer.public_key) != peer.address]
        if coming:
            self._backend.change(places, add=coming, remove=())

    def clear(self, organization: str) -> None:
        """Nothing of the organization is left on the host when it returns. None there is fine.

        Raises:
            HubError: something could not be removed.
        """
        places = self._names.places(organization)
        # Whatever holds the namespace open would keep it alive.
        self._watcher.forget(organization)
        self._backend.remove(places)
        self._rulesets.forget(places.namespace)
        self._kernel.forget(places.namespace)
        self._generations.pop(places.namespace, None)
        self._judged.pop(places.namespace, None)
        self._ledger.forget(places.namespace)
        namespace.remove(places.namespace)

    def _name(self, places: Places, organization: str) -> tuple[Finding, ...]:
        held = self._watcher.namespace_of(organization)
        if held is not None:
            if namespace.leads_to(places.namespace, held):
                return ()
            # We still hold the namespace itself, so nothing in it was lost with its name.
            namespace.rename(places.namespace, held)
            return (Finding(Part.NAMESPACE, "the namespace had lost its name"),)
        if namespace.exists(places.namespace):
            return ()
        self.clear(organization)
        namespace.create(places.namespace)
        return (Finding(Part.NAMESPACE, "there was no namespace"),)

    def _judge(self, places: Places, desired: Desired) -> tuple[Finding, ...]:
        name = places.namespace
        now, known = self._kernel.current(name), self._generations.get(name)
        if now == known and name in self._judged:
            self._rejudge(places, desired)
            self._tidy(places)
            return ()
        self._generations[name] = now
        self._judged.pop(name, None)
        wanted = compile_ruleset(desired, places.link)
        if known is None and self._adopted(places, desired, wanted, self._ledger.noted(name)):
            return ()
        self._load(places, wanted.loading(nft.counters(name)), wanted)
        self._judged[name] = _Judged(desired, wanted, wanted)
        return (Finding(Part.RULESET, "there were no rules" if known is None else "the rules were changed"),)

    def _rejudge(self, places: Places, desired: Desired) -> None:
        """From the rules in force to those of another state: as small a change as it is, and none half made."""
        judged = self._judged[places.namespace]
        if (judged.desired.peers, judged.desired.policy) != (desired.peers, desired.policy):
            self._switch(places, judged, desired, compile_ruleset(desired, places.link))

    def _switch(self, places: Places, judged: _Judged, desired: Desired, wanted: Ruleset) -> None:
        # What the last switch left goes first: chains of the same names may come again.
        removal = judged.present.removal(judged.present.names - judged.ruleset.names)
        self._load(places, removal + wanted.preparation(judged.ruleset), judged.ruleset)
        present = wanted.prepared(judged.ruleset)
        self._judged[places.namespace] = replace(judged, present=present)
        self._load(places, wanted.switch(present), wanted)
        # Chains that packets came through a moment ago are there still.
        present = replace(present, chains={**present.chains, **wanted.chains})
        self._judged[places.namespace] = _Judged(desired, wanted, present, time.monotonic())

    def _tidy(self, places: Places) -> None:
        """Removes what nothing leads to any more; a packet that was on its way through it is out by now."""
        judged = self._judged[places.namespace]
        unneeded = judged.present.names - judged.ruleset.names
        if unneeded and time.monotonic() - judged.switched > _OUT_BY_THEN_S:
            self._load(places, judged.present.removal(unneeded), judged.ruleset)
            self._judged[places.namespace] = replace(judged, present=judged.ruleset)

    def _adopted(self, places: Places, desired: Desired, wanted: Ruleset, noted: Entry | None) -> bool:
        """Whether an earlier process left rules that nobody touched since, which are these now."""
        name = places.namespace
        now = self._generations[name]
        # Noted before it is made: the last transaction may not have been.
        if noted is None or now not in (noted.generation - 1, noted.generation):
            return False
        present = nft.present(name)
        if noted == Entry(now, wanted.fingerprint):
            present = replace(wanted.prepared(present), chains={**present.chains, **wanted.chains})
            self._judged[name] = _Judged(desired, wanted, present)
            return True
        try:
            self._switch(places, _Judged(desired, present, present), desired, wanted)
        except RulesetError:
            self._generations[name] = self._kernel.current(name)
            return False
        return True

    def _load(self, places: Places, text: str, in_force: Ruleset) -> None:
        """One transaction, after which these rules are in force."""
        if not text:
            return
        name = places.namespace
        expected = self._generations[name] + 1
        # Noted before it is so: killed in between, the next process knows both numbers for ours.
        self._ledger.note(name, Entry(expected, in_force.fingerprint))
        self._rulesets.load(name, text)
        if self._kernel.current(name) != expected:
            raise RulesetError(f"the rules of {name} were changed by someone else at the same time")
        self._generations[name] = expected

    def counters(self, organization: str) -> Mapping[str | None, Count]:
        """What was counted for each of the organization's rules, by id; by None, for the default.

        Raises:
            NamespaceError: it has no namespace.
        """
        counts = nft.counters(self._names.places(organization).namespace)
        return {rule_of(name): count for name, count in counts.items()}

    def _link(self, places: Places, desired: Desired) -> tuple[Finding, ...]:
        if self._backend.is_ready(places, desired.hub_public_key, desired.port):
            return ()
        private_key = self._open_key(desired)
        self._backend.remove(places)
        self._backend.create(places, private_key, desired.port)
        return (Finding(Part.LINK, "there was no link that worked"),)

    def _peers(self, places: Places, desired: Desired) -> tuple[Finding, ...]:
        present = self._backend.allowed(places)
        wanted = {peer.public_key: (f"{peer.address}/32",) for peer in desired.peers}
        add = [peer for peer in desired.peers if present.get(peer.public_key) != wanted[peer.public_key]]
        remove = set(present) - set(wanted)
        if not add and not remove:
            return ()
        known = self._endpoints(desired.organization)
        # Who is there knows better where it is.
        endpoints = {key: known[key] for key in known if key not in present}
        self._backend.change(places, add=add, remove=remove, endpoints=endpoints)
        return (Finding(Part.PEER, f"{len(add)} machines were missing, {len(remove)} did not belong here"),)

    def _start_handshakes(self, places: Places, desired: Desired) -> None:
        keys = {peer.public_key for peer in desired.peers}
        known = {key: where for key, where in self._endpoints(desired.organization).items() if key in keys}
        # Machines come back by themselves in the end, so what is refused here is not worth undoing the rest.
        with suppress(LinkError):
            self._backend.start_handshakes(places, known)


@dataclass(frozen=True)
class _Judged:
    """What is in force in a namespace.

    Attributes:
        desired: the state that it enforces.
        present: the ruleset, and what an earlier one left.
        switched: monotonic seconds.
    """

    desired: Desired
    ruleset: Ruleset
    present: Ruleset
    switched: float = 0.0
