"""How a hub learns the unlock secret from its supervisor, and the supervisor's next hub from this one.

The secret lies in anonymous memory that both inherited, memfd_create(2): in no file, no environment, and gone with
the last of them. A rotation adds the new secret before the store is sealed anew, so whenever the hub is killed, one
of the secrets there opens the store.
"""

from __future__ import annotations

import os

_VARIABLE = "MESHWG_UNLOCK_SECRET_FD"
_END = b"\0"


class Handover:
    """The shared memory. Nobody writes to it but the hub that runs."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @classmethod
    def made(cls, secret: str) -> Handover:
        """For a supervisor, with its secret in it."""
        made = cls(os.memfd_create("meshwg-unlock-secret"))
        made.add(secret)
        return made

    @classmethod
    def inherited(cls) -> Handover | None:
        """For a hub; None where no supervisor started it."""
        descriptor = os.environ.pop(_VARIABLE, None)
        if descriptor is None:
            return None
        # Processes of this one have no business with it.
        os.set_inheritable(int(descriptor), False)
        return cls(int(descriptor))

    def environment(self) -> dict[str, str]:
        """What tells a hub that inherits the descriptor where it is."""
        return {_VARIABLE: str(self.descriptor)}

    def add(self, secret: str) -> None:
        """Another secret that may be the right one."""
        # Behind the others, and apart from what a killed writer may have left half done.
        os.pwrite(self.descriptor, _END + secret.encode() + _END, os.fstat(self.descriptor).st_size)

    def secrets(self) -> tuple[str, ...]:
        """Those that may be the right one, the newest first."""
        data = os.pread(self.descriptor, os.fstat(self.descriptor).st_size, 0)
        return tuple(each.decode(errors="replace") for each in reversed(data.split(_END)) if each)

    def __enter__(self) -> Handover:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)
