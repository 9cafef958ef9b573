"""End of processes of this machine, of any parent, by SIGKILL."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Collection

from netlab.errors import NothingArrived


def kill(pids: Collection[int], timeout_s: float) -> None:
    """Kills processes, and waits until they have ended, with their files and sockets closed.

    A killed process loses its command line in ``/proc`` before its sockets, and its parent may end before it; only its
    pidfd (pidfd_open(2)) tells when it is over.

    Args:
        pids: process ids; those of processes that have ended are skipped.
        timeout_s: seconds to wait for all of them.

    Raises:
        NothingArrived: some did not end in time.
    """
    with contextlib.ExitStack() as held:
        waiting = {}
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                handle = os.pidfd_open(pid)
                held.callback(os.close, handle)
                signal.pidfd_send_signal(handle, signal.SIGKILL)
                waiting[handle] = pid
        poll = select.poll()
        for handle in waiting:
            poll.register(handle, select.POLLIN)
        deadline = time.monotonic() + timeout_s
        while waiting:
            ended = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
            if not ended:
                raise NothingArrived(f"end of processes {sorted(waiting.values())}", timeout_s)
            for handle, _ in ended:
                poll.unregister(handle)
                del waiting[handle]
