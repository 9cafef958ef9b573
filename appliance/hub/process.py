"""``meshwg-hub``: the privileged process, and the only one that opens keys."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import singledispatchmethod
from pathlib import Path
from typing import Any

import structlog

from appliance.hub import messages
from appliance.hub.errors import HubError
from appliance.hub.names import Names
from appliance.hub.plane import DataPlane
from appliance.hub.server import Server
from appliance.hub.wireguard import Backend
from appliance.model.desired import Desired
from appliance.store import Store, organizations, rotation
from appliance.vault import Vault, WrongSecret

log = structlog.get_logger()

_AT_ONCE = 4


class Hub:
    """Answers the typed calls of `messages` with the data plane, the store and the vault.

    Args:
        remember_secret: is told a new unlock secret just before it becomes the one that opens the store, for the hub
            that is started next.
    """

    def __init__(
        self,
        names: Names,
        backend: Backend,
        store: Store,
        vault: Vault,
        remember_secret: Callable[[str], None] | None = None,
    ) -> None:
        self._store = store
        self._vault = vault
        self._remember_secret = remember_secret
        # Held while a key is sealed or opened: nobody works with the old vault once the store is sealed anew.
        self._unlocking = threading.Lock()
        self._plane = DataPlane(names, backend, self._private_key)

    def restore(self) -> None:
        """Makes the kernel what the store says, and removes what belongs to no organization any more.

        An organization that can't be restored stays denied; the others don't wait for it.
        """
        with self._store.read() as transaction:
            active = organizations.active_ids(transaction)
        for organization in set(self._plane.present()) - set(active):
            log.info("an orphan was removed", organization=organization)
            self._plane.remove(organization)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._restore_one, active))

    def _restore_one(self, organization: str) -> None:
        with self._store.read() as transaction:
            desired = organizations.desired(transaction, organization)
        if desired is None:
            return
        try:
            self._plane.apply(desired)
        except HubError as error:
            log.error("an organization could not be restored", organization=organization, error=str(error))

    @singledispatchmethod
    def answer(self, call: Any) -> object:
        """Does what the call says, and gives what it promises."""
        raise HubError(f"no such call: {type(call).__name__}")

    @answer.register
    def _(self, call: messages.CreateKeys) -> object:
        with self._unlocking:
            return self._vault.new_organization_keys(call.organization)

    @answer.register
    def _(self, call: messages.FindPort) -> object:
        return next((port for port in call.candidates if is_free_udp_port(port)), None)

    @answer.register
    def _(self, call: messages.Apply) -> object:
        self._plane.apply(call.desired)
        return None

    @answer.register
    def _(self, call: messages.Remove) -> object:
        self._plane.remove(call.organization)
        return None

    @answer.register
    def _(self, call: messages.Peers) -> object:
        return self._plane.peers(call.organization)

    @answer.register
    def _(self, call: messages.Census) -> object:
        del call
        return self._plane.census()

    @answer.register
    def _(self, call: messages.Status) -> object:
        del call
        with self._store.read() as transaction:
            expected = organizations.count(transaction)
        backend = self._plane.backend
        return messages.HubStatus(backend.name, backend.version, len(self._plane.organizations()), expected)

    @answer.register
    def _(self, call: messages.TearDown) -> object:
        del call
        for organization in self._plane.present():
            self._plane.remove(organization)
        return None

    @answer.register
    def _(self, call: messages.RotateSecret) -> object:
        if self._remember_secret is not None:
            self._remember_secret(call.new)
        try:
            with rotation.rotated(self._store, call.present, call.new, self._unlocking) as vault:
                self._vault = vault
        except WrongSecret as error:
            raise HubError(str(error)) from error
        log.info("the unlock secret was rotated")
        return None

    def _private_key(self, desired: Desired) -> str:
        with self._unlocking:
            with suppress(WrongSecret):
                return self._open(desired)
            # What was computed before a rotation carries its data key as it was sealed then.
            with self._store.read() as transaction:
                stored = organizations.desired(transaction, desired.organization)
            with suppress(WrongSecret):
                if stored is not None:
                    return self._open(stored)
        raise HubError(f"the keys of organization {desired.organization} can't be opened")

    def _open(self, state: Desired) -> str:
        return self._vault.private_key(state.organization, state.sealed_data_key, state.sealed_private_key)


def is_free_udp_port(port: int) -> bool:
    """Whether nothing in this network namespace has the port, on any address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


def serve(hub: Hub, socket_path: Path, allowed_uids: Collection[int], on_ready: Callable[[], None]) -> None:
    """Restores the data plane, then answers until SIGTERM or SIGINT. The data plane stays as it is."""
    hub.restore()
    server = Server(socket_path, allowed_uids, hub.answer)
    thread = threading.Thread(target=server.serve, name="hub-accept")
    thread.start()
    on_ready()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    server.close()
    thread.join()
