"""Directory of admitted organizations, by the key that initiations are meant for."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from appliance.hub.front_door.initiation import Recognizer
from appliance.hub.front_door.share import Share


@dataclass(frozen=True)
class Admitted:
    """Entry of one admitted organization."""

    organization: str
    hub_public_key: str
    inner_port: int
    recognizer: Recognizer
    share: Share


class Directory:
    """Admitted organizations; one thread looks them up while others change them."""

    def __init__(self) -> None:
        self._entries: Mapping[str, Admitted] = MappingProxyType({})
        self._ports: Mapping[int, Admitted] = MappingProxyType({})
        self._lock = threading.Lock()

    @property
    def entries(self) -> Mapping[str, Admitted]:
        """Admitted organizations by id; an immutable snapshot."""
        return self._entries

    def admit(self, organization: str, hub_public_key: str, inner_port: int, machines: int = 0) -> Admitted:
        """Add an organization, or update its key, port or number of machines."""
        with self._lock:
            before = self._entries.get(organization)
            share = Share(machines) if before is None else before.share
            share.fit(machines)
            entry = Admitted(organization, hub_public_key, inner_port, Recognizer(hub_public_key), share)
            self._keep({**self._entries, organization: entry})
        return entry

    def dismiss(self, organization: str) -> None:
        """Remove an organization, if it is there."""
        with self._lock:
            self._keep({name: entry for name, entry in self._entries.items() if name != organization})

    def at(self, inner_port: int, datagram: bytes) -> Admitted | None:
        """Find the organization with this inner port, if the initiation is meant for it; at a constant cost."""
        entry = self._ports.get(inner_port)
        return entry if entry is not None and entry.recognizer.recognizes(datagram) else None

    def find(self, datagram: bytes) -> Admitted | None:
        """Find the organization of an initiation; the cost grows with the number of organizations."""
        for entry in self._entries.values():
            if entry.recognizer.recognizes(datagram):
                return entry
        return None

    def _keep(self, entries: dict[str, Admitted]) -> None:
        self._entries = MappingProxyType(entries)
        self._ports = MappingProxyType({entry.inner_port: entry for entry in entries.values()})
