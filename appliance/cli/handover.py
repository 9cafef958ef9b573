"""Handover of the unlock secret, and of the key derived from it, from the supervisor to its hubs.

They lie in anonymous memory that both share, memfd_create(2): in no file and no environment, and lost with the
last of them. The key opens the store without the work of deriving it, until a rotation. A rotation adds the new secret
before the store is sealed again, so if the hub is killed at any moment, the key or one of the secrets opens the store.
"""

from __future__ import annotations

import os

from appliance.vault.vault import KEY_BYTES

_VARIABLE = "MESHWG_HANDOVER_FD"
_END = b"\0"


class Handover:
    """Shared memory with a key and the unlock secrets; only the running hub writes to it."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @classmethod
    def made(cls, secret: str, key: bytes) -> Handover:
        """Make the memory in a supervisor, with its secret and the key of the vault that it opened."""
        made = cls(os.memfd_create("meshwg-unlock-secret"))
        os.pwrite(made.descriptor, key, 0)
        made.add(secret)
        return made

    @classmethod
    def inherited(cls) -> Handover | None:
        """Open the memory in a hub; None if no supervisor started it."""
        descriptor = os.environ.pop(_VARIABLE, None)
        return None if descriptor is None else cls(int(descriptor))

    def add(self, secret: str) -> None:
        """Add a secret."""
        # At the end, and separated from an incomplete write by a killed hub.
        os.pwrite(self.descriptor, _END + secret.encode() + _END, os.fstat(self.descriptor).st_size)

    @property
    def handed(self) -> dict[str, tuple[int, ...]]:
        """Descriptor for a hub, by the variable that tells it."""
        return {_VARIABLE: (self.descriptor,)}

    def key(self) -> bytes:
        """Read the key of the supervisor's vault; after a rotation it opens the store no more."""
        return os.pread(self.descriptor, KEY_BYTES, 0)

    def secrets(self) -> tuple[str, ...]:
        """List the secrets, newest first; one of them opens the store."""
        data = os.pread(self.descriptor, os.fstat(self.descriptor).st_size, KEY_BYTES)
        return tuple(each.decode(errors="replace") for each in reversed(data.split(_END)) if each)

    def __enter__(self) -> Handover:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)
