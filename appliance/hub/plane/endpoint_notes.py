"""Last endpoints of machines in the store, for a later hub that has to rebuild their links."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from appliance.model.desired import Desired, Peer
from appliance.store import Store, machines


class Heard(Protocol):
    """The part of the data plane that the notes use."""

    def state(self, organization: str) -> Desired | None:
        """Desired state of this organization; None if it has none."""

    def note_endpoints(self, organization: str, patience_s: float) -> Mapping[str, str] | None:
        """Endpoints of the enabled machines by public key; None without a state. Raises `HubError`."""


class EndpointNotes:
    """Keeps the stored endpoints as the data plane knows them, and writes no more than what differs.

    What was written counts as stored only once it was read: the store gets a new machine or key after the data plane
    does, and two threads may write at the same time.
    """

    def __init__(self, store: Store, plane: Heard) -> None:
        self._store = store
        self._plane = plane
        # By organization, the last endpoints that were found in the store, and whose they are.
        self._stored: dict[str, tuple[tuple[Peer, ...], Mapping[str, str]]] = {}

    def note(self, organization: str, patience_s: float) -> None:
        """Store the endpoints of an organization's machines.

        Args:
            patience_s: longest wait for a change or a check in progress; seconds.

        Raises:
            Occupied: the change takes longer.
            HubError: the link can't be read.
            Unavailable: the store refused; the next call tries again.
        """
        state = self._plane.state(organization)
        heard = self._plane.note_endpoints(organization, patience_s)
        if state is None or heard is None or self._stored.get(organization) == (state.peers, heard):
            return
        with self._store.read() as transaction:
            stored = machines.endpoints(transaction, organization)
        news = {key: endpoint for key, endpoint in heard.items() if stored.get(key) != endpoint}
        if news:
            with self._store.write() as transaction:
                machines.note_endpoints(transaction, organization, news)
        else:
            self._stored[organization] = state.peers, heard

    def keep_only(self, present: Collection[str]) -> None:
        """Forget all organizations but these."""
        for gone in self._stored.keys() - set(present):
            self._stored.pop(gone, None)
