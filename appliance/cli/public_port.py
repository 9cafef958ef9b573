"""The public UDP port: found by the first start, kept by every later one, and held open across restarts of the hub."""

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
    """The open sockets, as a supervisor holds them for the hubs that it starts.

    Attributes:
        before: the port that configurations named until now, if another one was asked for.
    """

    sockets: DoorSockets
    before: int | None = None

    @property
    def port(self) -> int:
        """The public port."""
        return self.sockets.public_port

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What a hub inherits."""
        return self.sockets.descriptors()

    def environment(self) -> dict[str, str]:
        """What tells a hub that inherits them which they are."""
        return {_VARIABLE: ",".join(map(str, self.descriptors))}


@contextmanager
def opened(settings: Settings, store: Store, found: Instance) -> Iterator[PublicPort]:
    """Binds the port that was asked for, or that the store remembers, or on a first start one that is free.

    Raises:
        CommandError: it is taken, or this host has no such sockets.
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
    """What a supervisor handed over; where none did, what `opened` opens.

    Raises:
        CommandError: as `opened` does.
    """
    text = os.environ.pop(_VARIABLE, None)
    if text is None:
        with opened(settings, store, found) as own:
            yield own
        return
    descriptors = [int(each) for each in text.split(",")]
    for descriptor in descriptors:
        # Processes of this one have no business with them.
        os.set_inheritable(descriptor, False)
    yield PublicPort(DoorSockets.adopt(descriptors))


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
