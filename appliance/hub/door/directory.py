"""Which organization an initiation is meant for."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from appliance.hub.door.initiation import Recognizer

Source = tuple[str, int]
"""Address and port that a datagram came from."""

_REMEMBERED = 2**14


@dataclass(frozen=True)
class Entry:
    """An organization that is admitted."""

    organization: str
    hub_public_key: str
    inner_port: int
    recognizer: Recognizer


class Directory:
    """The organizations, and the one that each source last spoke to.

    One thread asks; others may change it meanwhile.

    Args:
        remembered: how many sources are remembered at most; the one that was silent longest is forgotten first.
    """

    def __init__(self, remembered: int = _REMEMBERED) -> None:
        self._entries: Mapping[str, Entry] = MappingProxyType({})
        self._last: OrderedDict[Source, Entry] = OrderedDict()
        self._remembered = remembered
        self._lock = threading.Lock()

    @property
    def entries(self) -> Mapping[str, Entry]:
        """Those admitted now, by organization; the mapping never changes, a change makes another one."""
        return self._entries

    def admit(self, organization: str, hub_public_key: str, inner_port: int) -> Entry:
        """Adds an organization, or gives it another key or port."""
        entry = Entry(organization, hub_public_key, inner_port, Recognizer(hub_public_key))
        with self._lock:
            self._entries = MappingProxyType({**self._entries, organization: entry})
        return entry

    def dismiss(self, organization: str) -> None:
        """Forgets an organization; none there is fine."""
        with self._lock:
            entries = {name: entry for name, entry in self._entries.items() if name != organization}
            self._entries = MappingProxyType(entries)
            for source in [source for source, entry in self._last.items() if entry.organization == organization]:
                del self._last[source]

    def remember(self, source: Source, entry: Entry) -> None:
        """Notes whom a source speaks to."""
        with self._lock:
            if self._entries.get(entry.organization) is not entry:
                return
            self._last[source] = entry
            self._last.move_to_end(source)
            while len(self._last) > self._remembered:
                self._last.popitem(last=False)

    def recall(self, source: Source, datagram: bytes) -> Entry | None:
        """The organization that the source last spoke to, if this initiation is meant for it too: at a fixed price."""
        entry = self._last.get(source)
        if entry is None or not entry.recognizer.recognizes(datagram):
            return None
        # It may have got another key or port in the meantime.
        return entry if self._entries.get(entry.organization) is entry else None

    def find(self, datagram: bytes) -> Entry | None:
        """The organization that an initiation is meant for: at a price that grows with the number of organizations."""
        for entry in self._entries.values():
            if entry.recognizer.recognizes(datagram):
                return entry
        return None
