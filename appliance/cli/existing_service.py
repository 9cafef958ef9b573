"""Existing store of a service, for the operator's commands."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance import privileges
from appliance.cli import secret as secrets
from appliance.cli import unlocking
from appliance.cli.errors import CommandError, Exit
from appliance.cli.folder import Folder, hub_socket, instance_locked
from appliance.cli.settings import Settings
from appliance.hub.errors import HubUnreachable
from appliance.hub.rpc.client import HubClient
from appliance.hub.rpc.messages import HubStatus
from appliance.store import Store, instance
from appliance.store.database import sqlite_file
from appliance.store.instance import Instance
from appliance.vault import Vault, WrongSecret

if TYPE_CHECKING:
    from appliance.service.owners import OwningHubs


@dataclass(frozen=True)
class ExistingService:
    """An existing store, opened as it is: neither created nor upgraded."""

    settings: Settings
    store: Store
    instance: Instance

    @property
    def folder(self) -> Folder:
        """Data folder."""
        return Folder(self.settings.data)

    def client(self) -> HubClient:
        """Make a client of this host's one hub, which need not run.

        Raises:
            CommandError: there are many hubs.
        """
        if self.settings.has_many_hubs:
            raise CommandError("This command works with one hub only, and there are many.", Exit.NOT_CONFIGURED)
        unlocking.check_one_hub(self.store)
        return HubClient(hub_socket(self.instance.id))

    def hubs(self) -> HubClient | OwningHubs:
        """Make a client of the one hub, or of all, which need not run."""
        if not self.settings.has_many_hubs:
            return self.client()
        from appliance.cli import many_hubs

        return many_hubs.hubs(self.settings, self.store)

    def hub_status(self) -> HubStatus | None:
        """Ask for the hub's status; None if no hub answers.

        Raises:
            HubError: the hub answers with an error.
        """
        try:
            return self.hubs().status()
        except HubUnreachable:
            return None

    def secret(self) -> str:
        """Get the supplied unlock secret.

        Raises:
            CommandError: none was supplied, or it does not open this store.
        """
        for each in secrets.given(self.settings):
            if self.opens(each):
                return each
            raise secrets.wrong(self.folder.path)
        raise secrets.missing(self.folder.path)

    def opens(self, secret: str) -> bool:
        """True if this secret opens the store as it is now."""
        with self.store.read() as transaction:
            found = instance.find(transaction)
        try:
            Vault.open(secret, (found or self.instance).lock)
        except WrongSecret:
            return False
        return True

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """Keep any service from starting during the block.

        Raises:
            CommandError: a service runs, or is starting.
        """
        with self.folder.locked(), instance_locked(self.instance.id):
            yield


@contextmanager
def opened(settings: Settings) -> Iterator[ExistingService]:
    """Open the store of the settings; errors of its database in the block become `CommandError`.

    Raises:
        CommandError: the process is not root's, there is no store yet, or the database can't be used.
    """
    must_be_root()
    privileges.leave_groups()
    with unlocking.database(), ExitStack() as closed:
        file = sqlite_file(settings.database_url)
        if file is not None and not file.is_file():
            raise CommandError(
                f"There is no store in {file.parent}: `meshwg up` makes one. If the service has its settings from a "
                "file, name that here too (--config or MESHWG_CONFIG).",
                Exit.NOT_CONFIGURED,
            )
        if file is not None and file.parent == Folder(settings.data).store:
            Folder(settings.data).check_store()
        store = unlocking.open_store(settings)
        closed.callback(store.close)
        with store.read() as transaction:
            found = instance.find(transaction)
        if found is None:
            raise CommandError("The store is empty; `meshwg up` gives it an identity.", Exit.NOT_CONFIGURED)
        yield ExistingService(settings, store, found)


def must_be_root() -> None:
    """Raise `CommandError` unless this process is root's."""
    if os.geteuid() != 0:
        raise CommandError(
            "Store and hub are the service's own, which takes root: run it with sudo.", Exit.NOT_PERMITTED
        )
