"""A service whose clocks a scenario turns, and sabotages of what it does when its clock is set."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from appliance.host.clocks import HostClocks, boottime
from appliance.hub import service
from appliance.hub.names import KernelNames
from appliance.hub.wireguard import Backend
from appliance.hub.wireguard.handshakes import Handshakes
from appliance.model.desired import PeerStatus
from appliance.service import Context
from appliance.store import setbacks
from appliance.web import process
from appliance.web.limits import RateLimits
from appliance.web.process import WebSettings
from appliance.web.site import Site
from harness.sabotage.parts import replace_part
from harness.subject.turnedclock import VARIABLE, TurnedClock


class _Reporting:
    """A WireGuard implementation whose wall clock is a turned one; otherwise as it is.

    Args:
        backend: the implementation.
        turned: the clock.
    """

    def __init__(self, backend: Backend, turned: TurnedClock) -> None:
        self._backend = backend
        self._turned = turned
        self._ahead: dict[tuple[str, int], float] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def peers(self, names: KernelNames) -> Sequence[PeerStatus]:
        """Reads the status of each peer, with its handshake by the turned clock as set when first seen."""
        return [self._by_the_turned_clock(each) for each in self._backend.peers(names)]

    def _by_the_turned_clock(self, status: PeerStatus) -> PeerStatus:
        if not status.last_handshake:
            return status
        ahead, _ = self._turned.offsets
        ahead = self._ahead.setdefault((status.public_key, status.last_handshake), ahead)
        return replace(status, last_handshake=status.last_handshake + round(ahead))


def turn() -> None:
    """Gives hub and web process clocks that a scenario turns; nothing is broken by that."""
    turned = TurnedClock(Path(os.environ[VARIABLE]))
    clocks = HostClocks(lambda: time.time() + turned.offsets[0], lambda: boottime() + turned.offsets[1])
    serve, make = process.serve, partial(service.Hub, clocks=clocks)

    def serve_by(settings: WebSettings) -> None:
        serve(replace(settings, clocks=clocks))

    def hub(names: Any, backend: Backend, *arguments: Any, **more: Any) -> service.Hub:
        return make(names, _Reporting(backend, turned), *arguments, **more)

    replace_part(process, "serve", serve_by)
    replace_part(service, "Hub", hub)


def keep_ends() -> None:
    """Leaves the ends of periods as they are when the clock is set back."""

    def move_back(transaction: Connection, back: timedelta) -> None:
        del transaction, back

    setbacks.move_back = move_back


def limit_by_the_wall_clock() -> None:
    """Reckons limits of guesses and of calls by a clock that can be set."""

    def site(context: Context, limits: RateLimits, *arguments: Any) -> Site:
        return Site(context, replace(limits, clock=lambda: context.clock().timestamp()), *arguments)

    replace_part(process, "Site", site)


def believe_wireguard() -> None:
    """Tells the times of handshakes as WireGuard reports them, by the wall clock of then."""

    def dated(self: Handshakes, organization: str, statuses: Collection[PeerStatus]) -> Sequence[PeerStatus]:
        del self, organization
        return list(statuses)

    Handshakes.dated = dated  # type: ignore[method-assign]
