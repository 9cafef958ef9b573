"""Files that root trusts: only if nobody but root and the operator could have written them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from appliance.cli.errors import CommandError, Exit
from appliance.users import User

_LARGEST = 2**20
_OPERATOR = "SUDO_UID"


def read(path: Path, what: str, *, hidden_from: int = 0) -> bytes:
    """Read a file that is root's or the operator's own, and that nobody else may change.

    The file is opened once, checked and then read. Links are followed, as the operator chose them.

    Args:
        what: noun for error messages, such as "unlock secret".
        hidden_from: mode bits that must not be set: 0o077 to hide it from everybody else, 0o007 from all but a group.

    Raises:
        CommandError: the file can't be read, is too large, or others could have written it.
    """
    try:
        # Opening a pipe without a writer would block.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            _check(os.fstat(descriptor), path, what, hidden_from)
            os.set_blocking(descriptor, True)
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise CommandError(f"The {what} {path} can't be read: {error.strerror}.", Exit.NOT_CONFIGURED) from None
    if len(data) > _LARGEST:
        raise CommandError(f"The {what} {path} has more than {_LARGEST} bytes.", Exit.NOT_CONFIGURED)
    return data


def clean_path(others: User) -> None:
    """Remove folders from PATH to which others could add programs.

    Args:
        others: the web process's user.
    """
    kept = [each for each in os.environ.get("PATH", os.defpath).split(os.pathsep) if _is_roots(each, others)]
    os.environ["PATH"] = os.pathsep.join(kept)


def _is_roots(folder: str, others: User) -> bool:
    try:
        found = os.stat(folder)  # noqa: PTH116 - an empty name is this folder, for a shell
    except OSError:
        return False
    is_theirs = found.st_uid == others.uid != os.geteuid()
    return folder.startswith("/") and not found.st_mode & 0o002 and not is_theirs


def _check(found: os.stat_result, path: Path, what: str, hidden_from: int) -> None:
    if found.st_uid not in _trusted():
        raise CommandError(
            f"The {what} {path} is user {found.st_uid}'s, who could change it; `chown root` it first.",
            Exit.NOT_CONFIGURED,
        )
    if not stat.S_ISREG(found.st_mode):
        # A pipe of a shell's <(…).
        return
    if found.st_mode & hidden_from:
        mode = "600" if hidden_from & 0o070 else "o="
        raise CommandError(f"The {what} {path} can be read by others; chmod {mode} it first.", Exit.NOT_CONFIGURED)
    if found.st_mode & 0o022:
        raise CommandError(f"The {what} {path} can be changed by others; chmod go-w it first.", Exit.NOT_CONFIGURED)


def _trusted() -> set[int]:
    """Get the ids of root, this process's user, and the person behind sudo."""
    trusted = {0, os.geteuid()}
    if os.geteuid() == 0 and (operator := os.environ.get(_OPERATOR, "")).isdecimal():
        trusted.add(int(operator))
    return trusted
