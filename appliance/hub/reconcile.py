"""Makes one organization's part of the kernel what it should be, from whatever state it is in.

The same code builds what is new, adopts what an earlier process left, and heals what was damaged. Rules come before
everything that could let a packet through, and peers come last: on the way from any state to the right one, nothing
passes that the policy denies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

from appliance.hub import namespace, routing, ruleset
from appliance.hub.errors import LinkError, RulesetError
from appliance.hub.events import Watcher
from appliance.hub.findings import Finding, Part
from appliance.hub.generation import Generations, Ledger
from appliance.hub.names import Names, Places
from appliance.hub.nft import Rulesets
from appliance.hub.wireguard import Backend
from appliance.model.desired import Desired

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
        # By namespace, what our last transaction left there and what it enforces.
        self._generations: dict[str, int] = {}
        self._judged: dict[str, Desired] = {}

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
        if (text := ruleset.verdicts(after)) != ruleset.verdicts(before):
            self._load(places, after, text)
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
        now, known, judged = self._kernel.current(name), self._generations.get(name), self._judged.get(name)
        if now == known and judged is not None:
            if (judged.peers, judged.policy) != (desired.peers, desired.policy):
                self._load(places, desired, ruleset.verdicts(desired))
            return ()
        self._generations[name] = now
        self._judged.pop(name, None)
        if known is None and now in _left_by(self._ledger.noted(name)):
            # An earlier process left these rules, and nobody touched them since. Replacing the base chains would drop
            # what passes meanwhile; the verdicts alone are swapped in place.
            with suppress(RulesetError):
                self._load(places, desired, ruleset.verdicts(desired))
                return ()
            self._generations[name] = self._kernel.current(name)
        whole = ruleset.foundation(desired, places.link) + ruleset.verdicts(desired)
        self._load(places, desired, f"flush ruleset\n{whole}")
        return (Finding(Part.RULESET, "there were no rules" if known is None else "the rules were changed"),)

    def _load(self, places: Places, desired: Desired, text: str) -> None:
        name = places.namespace
        expected = self._generations[name] + 1
        # Noted before it is so: killed in between, the next process knows both numbers for ours.
        self._ledger.note(name, expected)
        self._rulesets.load(name, text)
        now = self._kernel.current(name)
        if now != expected:
            raise RulesetError(f"the rules of {name} were changed by someone else at the same time")
        self._generations[name], self._judged[name] = expected, desired

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
        self._backend.change(places, add=add, remove=remove)
        return (Finding(Part.PEER, f"{len(add)} machines were missing, {len(remove)} did not belong here"),)

    def _start_handshakes(self, places: Places, desired: Desired) -> None:
        keys = {peer.public_key for peer in desired.peers}
        known = {key: where for key, where in self._endpoints(desired.organization).items() if key in keys}
        # Machines come back by themselves in the end, so what is refused here is not worth undoing the rest.
        with suppress(LinkError):
            self._backend.start_handshakes(places, known)


def _left_by(noted: int | None) -> tuple[int, ...]:
    """Generations that our own last transaction can have left: it was noted before it was made."""
    return () if noted is None else (noted - 1, noted)
