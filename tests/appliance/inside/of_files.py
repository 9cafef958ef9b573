"""Attempts on files and folders, and on what was handed over to the web process."""

from __future__ import annotations

import ctypes
import os
import socket
import stat
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.appliance.inside.attempts import Attempt, Targets, stopped


def _read(name: Callable[[Targets], str]) -> Attempt:
    def attempt(targets: Targets) -> None:
        os.close(os.open(name(targets), os.O_RDONLY))

    return attempt


def _write(name: Callable[[Targets], str]) -> Attempt:
    """Opens a file for writing; for a folder, asks whether entries may be made."""

    def attempt(targets: Targets) -> None:
        path = name(targets)
        if not os.path.isdir(path):  # noqa: PTH112 - as for the others here
            os.close(os.open(path, os.O_WRONLY))
        elif not os.access(path, os.W_OK | os.X_OK):
            raise stopped("the folder is not writable")

    return attempt


def _rename_store(targets: Targets) -> None:
    path = Path(targets.data, "store")
    path.rename(path.with_name("gone"))
    path.with_name("gone").rename(path)


def _code(*parts: str) -> str:
    import appliance

    return str(Path(appliance.__file__).parent.joinpath(*parts))


def _leave_working_folder(targets: Targets) -> None:
    """Enters the operator's working folder, which other users may not enter."""
    del targets
    if str(Path("/proc/self/cwd").readlink()) == "/":
        raise stopped("the working folder is /")


def _find_descriptor(targets: Targets) -> None:
    """Looks for an open descriptor of a file, folder, socket or memory outside of the web process."""
    del targets
    for descriptor in range(3, 1024):
        try:
            found = os.fstat(descriptor)
            path = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        except OSError:
            continue
        if "secret" in path or (stat.S_ISREG(found.st_mode) and not path.startswith("/memfd:meshwg-")):
            return
        if stat.S_ISDIR(found.st_mode) and not path.startswith("/proc"):
            return
        if stat.S_ISSOCK(found.st_mode) and _is_udp(descriptor):
            return
    raise stopped("nothing is open that leads out")


def _is_udp(descriptor: int) -> bool:
    with socket.socket(fileno=os.dup(descriptor)) as found:
        return found.type == socket.SOCK_DGRAM and found.family in (socket.AF_INET, socket.AF_INET6)


def _hold_the_log(targets: Targets) -> None:
    """Opens the log's file for writing, or the operator's terminal for reading."""
    del targets
    for descriptor in (0, 1, 2):
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISREG(mode) or os.isatty(descriptor):
            return
    raise stopped("standard streams are pipes and /dev/null")


def _find_words(targets: Targets) -> None:
    """Looks for root's secrets in the environment."""
    known = " ".join(f"{key}={value}" for key, value in os.environ.items())
    if not any(word in known[::-1] for word in targets.words):
        raise stopped("the environment has none of it")


def _find_words_in_memory(targets: Targets) -> None:
    """Looks for root's secrets in all the memory that this process can read of itself."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, rights, *rest = line.split(maxsplit=5)
        # Readable, but for what the kernel maps and doesn't let anybody read.
        if not rights.startswith("rw") or rest[-1].startswith("[v"):
            continue
        first, last = (int(each, 16) for each in span.split("-"))
        content = ctypes.string_at(first, last - first)[::-1]
        if any(word.encode() in content for word in targets.words):
            return
    raise stopped("the memory has none of it")


ROWS: Mapping[str, Attempt] = {
    "read the unlock secret": _read(lambda targets: targets.secret),
    "read the certificate's key": _read(lambda targets: f"{targets.data}/tls/key.pem"),
    "replace the certificate": _write(lambda targets: f"{targets.data}/tls"),
    "take the lock": _read(lambda targets: f"{targets.data}/lock"),
    "make entries in the data folder": _write(lambda targets: targets.data),
    "put another folder in the store's place": _rename_store,
    "change the hub's folder": _write(lambda targets: str(Path(targets.hub).parent)),
    "change what one hub leaves to the next": _write(lambda targets: str(Path(targets.hub).with_name("rules"))),
    "change the names of networks": _write(lambda _: "/run/netns"),
    "change WireGuard's sockets": _write(lambda _: "/var/run/wireguard"),
    "change the program": _write(lambda _: _code("cli", "hub.py")),
    "add to the program": _write(lambda _: _code("cli")),
    "add to its libraries": _write(lambda _: os.path.dirname(sys.modules["structlog"].__path__[0])),  # noqa: PTH120
    "change Python itself": _write(lambda _: str(Path(sys.executable).resolve().parent)),
    "have root run something later": _write(lambda _: "/etc/cron.d"),
    "have all programs load something": _write(lambda _: "/etc/ld.so.cache"),
    "say what runs when a program fails": _write(lambda _: "/proc/sys/kernel/core_pattern"),
    "change the kernel's settings": _write(lambda _: "/proc/sys/net/ipv4/ip_forward"),
    "use the operator's working folder": _leave_working_folder,
    "use what root left open": _find_descriptor,
    "empty the log or read the terminal": _hold_the_log,
    "find root's words in the environment": _find_words,
    "find root's words in its memory": _find_words_in_memory,
}
