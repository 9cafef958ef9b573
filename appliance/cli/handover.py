"""Handover of the unlock secret from the supervisor to its hubs.

The secret lies in anonymous memory that both share, memfd_create(2): in no file and no environment, and lost with the
last of them. A rotation adds the new secret before the store is sealed again, so if the hub is killed at any moment,
one of the secrets there opens the store.
"""

from __future__ import annotations

import os

_VARIABLE = "MESHWG_UNLOCK_SECRET_FD"
_END = b"\0"


class Handover:
    """Shared memory with the unlock secrets; only the running hub writes to it."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @classmethod
    def made(cls, secret: str) -> Handover:
        """Make the memory in a supervisor, with its secret."""
        made = cls(os.memfd_create("meshwg-unlock-secret"))
        made.add(secret)
        return made

    @classmethod
    def inherited(cls) -> Handover | None:
        """Open the memory in a hub; None if no supervisor started it."""
        descriptor = os.environ.pop(_VARIABLE, None)
        if descriptor is None:
            return None
        # Not for processes that this one starts.
        os.set_inheritable(int(descriptor), False)
        return cls(int(descriptor))

    def environment(self) -> dict[str, str]:
        """Make the variable that tells a hub the inherited descriptor."""
        return {_VARIABLE: str(self.descriptor)}

    def add(self, secret: str) -> None:
        """Add a secret."""
        # At the end, and separated from an incomplete write by a killed hub.
        os.pwrite(self.descriptor, _END + secret.encode() + _END, os.fstat(self.descriptor).st_size)

    def secrets(self) -> tuple[str, ...]:
        """List the secrets, newest first; one of them opens the store."""
        data = os.pread(self.descriptor, os.fstat(self.descriptor).st_size, 0)
        return tuple(each.decode(errors="replace") for each in reversed(data.split(_END)) if each)

    def __enter__(self) -> Handover:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)
