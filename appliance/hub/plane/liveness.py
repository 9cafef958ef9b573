"""Times of the organizations' latest handshakes, for a later hub, which serves those with live machines first.

A machine that is in use begins a handshake every two minutes. So a stored time that is a few minutes old tells as much
as an exact one, and a store is written to seldom.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from appliance.store import Store, organizations

NOTED_EVERY_S = 300.0
"""Seconds by which a time has to differ from the stored one to be stored again."""


class Liveness:
    """Stores when the machines of each organization were heard from.

    Args:
        heard: returns the time of each organization's latest handshake, in seconds since the epoch.
    """

    def __init__(self, store: Store, heard: Callable[[], Mapping[str, float]]) -> None:
        self._store = store
        self._heard = heard
        self._stored: dict[str, float] = {}

    def note(self) -> None:
        """Store the times that have changed; one thread at a time may call this.

        Raises:
            Unavailable: the store refused; the next call tries again.
        """
        heard = self._heard()
        news = {
            organization: at
            for organization, at in sorted(heard.items())
            if abs(at - self._stored.get(organization, 0.0)) >= NOTED_EVERY_S
        }
        if news:
            with self._store.write() as transaction:
                organizations.note_heard(transaction, news)
        self._stored = {organization: at for organization, at in (self._stored | news).items() if organization in heard}
