"""Public UDP port: chosen by the first start, kept by later ones, and held open across restarts of the hub."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from appliance.cli.errors import CommandError, Exit
from appliance.cli.settings import Settings
from appliance.hub.front_door import DoorError, DoorSockets, PortTaken, known_port
from appliance.hub.names import Names
from appliance.store import Store, instance
from appliance.store.instance import Instance

USUAL_PORT = 51820
_OTHERS = 100
_VARIABLE = "MESHWG_DOOR_FDS"


@dataclass(frozen=True)
class PublicPort:
    """Open sockets of the public port, which a supervisor holds for its hubs.

    Attributes:
        before: former port, if the operator has chosen another one.
    """

    sockets: DoorSockets
    before: int | None = None

    @property
    def port(self) -> int:
        """Port number."""
        return self.sockets.public_port

    @property
    def handed(self) -> dict[str, tuple[int, ...]]:
        """Descriptors for a hub, by the variable that tells it."""
        return {_VARIABLE: self.sockets.descriptors()}


@contextmanager
def opened(settings: Settings, store: Store, found: Instance) -> Iterator[PublicPort]:
    """Bind the port of the settings, or of the store, or on a first start a free one.

    Raises:
        CommandError: the port is taken, or the host has no such sockets.
    """
    wanted = settings.udp_port or found.port
    sockets = _bound(found, (wanted,) if wanted else tuple(range(USUAL_PORT, USUAL_PORT + _OTHERS)))
    try:
        if sockets.public_port != found.port:
            with store.write() as transaction:
                instance.choose_port(transaction, sockets.public_port)
        yield PublicPort(sockets, found.port if found.port not in (None, sockets.public_port) else None)
    finally:
        sockets.close()


@contextmanager
def inherited(settings: Settings, store: Store, found: Instance) -> Iterator[PublicPort]:
    """Use the sockets of the supervisor; without a supervisor, open them as `opened` does.

    Raises:
        CommandError: the port is taken, or the host has no such sockets.
    """
    text = os.environ.pop(_VARIABLE, None)
    if text is None:
        with opened(settings, store, found) as own:
            yield own
        return
    yield PublicPort(DoorSockets.adopt([int(each) for each in text.split(",")]))


def _bound(found: Instance, candidates: tuple[int, ...]) -> DoorSockets:
    known = known_port(Names(found.id).door)
    try:
        for port in candidates:
            try:
                return DoorSockets.open(port, known)
            except PortTaken:
                continue
    except DoorError as error:
        raise CommandError(f"The public UDP port can't be opened: {error}.", Exit.UNAVAILABLE) from None
    taken = str(candidates[0]) if len(candidates) == 1 else f"{candidates[0]} to {candidates[-1]}"
    raise CommandError(
        f"Another program has UDP port {taken} already; choose another with --udp-port.", Exit.ADDRESS_IN_USE
    )
