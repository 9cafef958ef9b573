"""Watch over the calls by which programs have the kernel write files to disk: fsync(2) and fdatasync(2).

The kernel asks this process before it makes such a call (seccomp_unotify(2)). Programs need not know of it, and neither
another user nor a fork escapes it.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import select
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from harness.judging.verdicts import Inconclusive

T = TypeVar("T")

_CALLS = ("fsync", "fdatasync")
# Of <linux/seccomp.h>, as are the two structures.
_SET_MODE_FILTER, _NEW_LISTENER = 1, 8
_RECEIVE, _SEND, _IS_VALID = 0xC0502100, 0xC0182101, 0x40082102
_REQUEST, _ANSWER = struct.Struct("QIIiIQ6Q"), struct.Struct("QqiI")
_CONTINUE = 1


class _Program(ctypes.Structure):
    """``struct sock_fprog`` of <linux/filter.h>."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def watched(function: Callable[[], T], on_sync: Callable[[Path], Callable[[], None] | None]) -> T:
    """Runs a function, and watches the programs that it starts, with all of theirs, until they end.

    Args:
        function: the function. It runs in a thread of its own, whose syncs are watched too.
        on_sync: called before a file or folder is synced, with a path under ``/proc`` that opens it. The function that
            it returns is called if the caller still waits for its call, which only then is sure to be made.

    Returns:
        The function's result.

    Raises:
        Inconclusive: this machine can't watch calls.
    """

    def body() -> T:
        listener = _listen()
        threading.Thread(target=_answer_all, args=(listener, on_sync), name="syncs", daemon=True).start()
        return function()

    # A filter holds for the thread that loads it and for what is started from there.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(body).result()


def _listen() -> int:
    """Has the kernel ask before each of the calls of this thread and its children; returns where it asks."""
    program = _filter()
    libc = ctypes.CDLL(None, use_errno=True)
    given = _Program(len(program) // 8, program)
    listener = int(libc.syscall(_number("seccomp"), _SET_MODE_FILTER, _NEW_LISTENER, ctypes.byref(given)))
    if listener < 0:
        raise Inconclusive(f"this machine can't watch syncs of files: seccomp(2): {os.strerror(ctypes.get_errno())}")
    return listener


def _filter() -> bytes:
    """Returns a filter for the kernel."""
    try:
        import pyseccomp

        made = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
        for name in _CALLS:
            made.add_rule(pyseccomp.NOTIFY, name)
        with tempfile.TemporaryFile() as file:
            made.export_bpf(file)
            file.seek(0)
            return file.read()
    except (OSError, RuntimeError) as error:
        raise Inconclusive(f"this machine can't watch syncs of files: libseccomp: {error}") from error


def _number(call: str) -> int:
    import pyseccomp

    return int(pyseccomp.resolve_syscall(pyseccomp.system_arch(), call))


def _answer_all(listener: int, on_sync: Callable[[Path], Callable[[], None] | None]) -> None:
    try:
        for request in _requests(listener):
            number, pid, _, _, _, _, descriptor, *_ = _REQUEST.unpack(request)
            identity = struct.pack("Q", number)
            then = None
            # The program may have been killed meanwhile.
            with suppress(OSError):
                then = on_sync(Path(f"/proc/{pid}/fd/{descriptor}"))
            with suppress(OSError):
                fcntl.ioctl(listener, _IS_VALID, identity)
                if then is not None:
                    then()
                fcntl.ioctl(listener, _SEND, _ANSWER.pack(number, 0, 0, _CONTINUE))
    finally:
        os.close(listener)


def _requests(listener: int) -> Iterator[bytearray]:
    """Yields what the kernel asks, until all programs have ended."""
    ready = select.poll()
    ready.register(listener, select.POLLIN)
    while True:
        for _, event in ready.poll():
            if not event & select.POLLIN:
                return
            request = bytearray(_REQUEST.size)
            try:
                fcntl.ioctl(listener, _RECEIVE, request)
            except OSError as error:
                # Killed before the request was received; or interrupted, and asked again.
                if error.errno in (errno.ENOENT, errno.EINTR):
                    continue
                raise
            yield request
