"""The data folder of a service that was started before, as the operator's commands find it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Present:
    """A store that exists, opened as it is: never upgraded, never made."""

    settings: Settings
    store: Store
    instance: Instance

    @property
    def folder(self) -> Folder:
        """The data folder."""
        return Folder(self.settings.data)

    def client(self) -> HubClient:
        """Calls the hub, if one runs."""
        return HubClient(hub_socket(self.instance.id))

    def hub_status(self) -> HubStatus | None:
        """How the hub is; None where none answers.

        Raises:
            HubError: it answers that it can't tell.
        """
        try:
            return self.client().status()
        except HubUnreachable:
            return None

    def secret(self) -> str:
        """The unlock secret that was supplied.

        Raises:
            CommandError: none was, or it does not open this store.
        """
        for each in secrets.given(self.settings):
            if self.opens(each):
                return each
            raise secrets.wrong(self.folder.path)
        raise secrets.missing(self.folder.path)

    def opens(self, secret: str) -> bool:
        """Whether this secret opens the store as it is now."""
        with self.store.read() as transaction:
            found = instance.find(transaction)
        try:
            Vault.open(secret, (found or self.instance).lock)
        except WrongSecret:
            return False
        return True

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """No service starts in the block.

        Raises:
            CommandError: one runs, or is about to.
        """
        with self.folder.locked(), instance_locked(self.instance.id):
            yield


@contextmanager
def opened(settings: Settings) -> Iterator[Present]:
    """The store that the settings name; whatever its database refuses in the block is one sentence, too.

    Raises:
        CommandError: no root, no store there yet, or a database that can't be used.
    """
    must_be_root()
    privileges.leave_groups()
    with unlocking.database(), ExitStack() as closed:
        file = sqlite_file(settings.database_url)
        if file is not None and not file.is_file():
            raise CommandError(f"There is no store in {file.parent} yet; `meshwg up` makes one.", Exit.NOT_CONFIGURED)
        if file is not None and file.parent == Folder(settings.data).store:
            Folder(settings.data).check_store()
        store = unlocking.open_store(settings)
        closed.callback(store.close)
        with store.read() as transaction:
            found = instance.find(transaction)
        if found is None:
            raise CommandError("The store is empty; `meshwg up` gives it an identity.", Exit.NOT_CONFIGURED)
        yield Present(settings, store, found)


def must_be_root() -> None:
    """Raises `CommandError` for anyone else."""
    if os.geteuid() != 0:
        raise CommandError(
            "Store and hub are the service's own, which takes root: run it with sudo.", Exit.NOT_PERMITTED
        )
