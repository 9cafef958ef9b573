"""Keys and secrets of the store: sealed and opened here alone, also during a rotation of the unlock secret."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import structlog

from appliance.hub.errors import HubError
from appliance.model.desired import Desired
from appliance.model.ids import OPERATORS
from appliance.model.keys import public_key_of
from appliance.store import Store, instance, organizations, rotation
from appliance.vault import CodeSecret, SealedKeys, Vault, WrongSecret, codes

log = structlog.get_logger()


class Keyring:
    """Seals and opens the store's keys and secrets.

    Args:
        remember_secret: receives a new unlock secret just before it becomes the one that opens the store, for the hub
            that is started next.
    """

    def __init__(self, store: Store, vault: Vault, remember_secret: Callable[[str], None] | None = None) -> None:
        self._store = store
        self._vault = vault
        self._remember_secret = remember_secret
        # Held while a key is sealed or opened, so that the old vault is not used after a rotation.
        self._unlocking = threading.Lock()

    def new_organization_keys(self, organization: str) -> SealedKeys:
        """Generate a hub key pair for an organization that is about to be stored."""
        with self._unlocking:
            return self._vault.new_organization_keys(organization)

    def private_key(self, desired: Desired) -> str:
        """Open the hub's private key for an organization.

        Raises:
            HubError: it can't be opened.
        """
        with self._unlocking:
            with suppress(WrongSecret):
                return self._open(desired)
            # A state that was computed before a rotation has its data key sealed by the old secret.
            with self._store.read() as transaction:
                stored = organizations.desired(transaction, desired.organization)
            with suppress(WrongSecret):
                if stored is not None:
                    return self._open(stored)
        raise HubError(f"the keys of organization {desired.organization} can't be opened")

    def new_code_secret(self, organization: str, member: str) -> CodeSecret:
        """Generate a secret for one-time codes of a member or an operator.

        Args:
            organization: the member's; `OPERATORS` for an operator.

        Raises:
            HubError: there is no such organization.
        """
        if organization == OPERATORS:
            self._ensure_operators_key()
        with self._data_key_of(organization) as data_key:
            return codes.make(self._vault, organization, data_key, member)

    def matching_step(self, organization: str, member: str, sealed: bytes, code: str, at: float) -> int | None:
        """Find the time step of a one-time code; see `codes.matching_step`.

        Raises:
            HubError: there is no such organization, or its secrets can't be opened.
        """
        with self._data_key_of(organization) as data_key:
            return codes.matching_step(self._vault, organization, data_key, member, sealed, code, at)

    def rotate(self, present: str, new: str) -> None:
        """Seal everything for a new unlock secret; afterwards only that one opens the store.

        Raises:
            HubError: ``present`` does not open the store; nothing was changed.
        """
        if self._remember_secret is not None:
            self._remember_secret(new)
        try:
            with rotation.rotated(self._store, present, new, self._unlocking) as vault:
                self._vault = vault
        except WrongSecret as error:
            raise HubError(str(error)) from error
        log.info("the unlock secret was rotated")

    @contextmanager
    def _data_key_of(self, organization: str) -> Iterator[bytes]:
        """Sealed data key of the organization, or of all operators; no rotation happens during the block."""
        with self._unlocking:
            with self._store.read() as transaction:
                if organization == OPERATORS:
                    data_key = instance.operators_key(transaction)
                else:
                    data_key = organizations.sealed_data_key(transaction, organization)
            if data_key is None:
                raise HubError(f"there is no organization {organization}")
            try:
                yield data_key
            except WrongSecret as error:
                raise HubError(f"what is sealed for organization {organization} can't be opened") from error

    def _ensure_operators_key(self) -> None:
        """Make the operators' data key if there is none. Locks are taken in the order of a rotation."""
        with self._store.read() as transaction:
            if instance.operators_key(transaction) is not None:
                return
        with self._store.write() as transaction:
            instance.find(transaction, locked=True)
            with self._unlocking:
                if instance.operators_key(transaction) is None:
                    instance.replace_operators_key(transaction, self._vault.new_data_key(OPERATORS)[1])

    def _open(self, state: Desired) -> str:
        key = self._vault.private_key(state.organization, state.sealed_data_key, state.sealed_private_key)
        if public_key_of(key) != state.hub_public_key:
            raise HubError(f"the hub key of organization {state.organization} is not the one that its state names")
        return key
