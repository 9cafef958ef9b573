"""Checks of options and machine; a failed one ends the command with one sentence and an exit code."""

from __future__ import annotations

import math
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from harness.subject.addresses import service_url
from reports import addresses
from reports.ending import BAD_USAGE, CANNOT_CREATE, UNAVAILABLE, end

if TYPE_CHECKING:
    from harness.subject.live import Ssh

_USER = re.compile(r"[^@:/\s]+")


def checked_target(url: str, sabotages_only: bool) -> str:
    """Returns the URL of ``--target`` with its host in ASCII."""
    if sabotages_only:
        end("--sabotage breaks the service, and --target names one that others run.", BAD_USAGE)
    try:
        return service_url(url)
    except ValueError:
        end(f"--target takes https://HOST[:PORT], not {url!r}.", BAD_USAGE)


def check_ssh(ssh: Ssh, target: str | None) -> None:
    """Checks the options that lead to a shell on the target's host."""
    user, at, host = ssh.destination.rpartition("@")
    try:
        _, port = addresses.parse(host)
    except ValueError:
        port = 0
    if not at or not _USER.fullmatch(user) or port == 0:
        end(f"--ssh takes USER@HOST[:PORT], not {ssh.destination!r}.", BAD_USAGE)
    if target is None:
        end("--ssh goes with --target.", BAD_USAGE)
    if "{}" not in ssh.control:
        end("--ssh-control takes a command with {} where stop and start belong.", BAD_USAGE)


def check_nftables() -> None:
    """Ends unless nftables can be used, which nearly all tests need."""
    try:
        done = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=False)
        reason = done.stderr.strip().partition("\n")[0] if done.returncode else ""
    except OSError as error:
        reason = f"nft: {error.strerror}"
    if reason:
        end(f"The tests need nftables, which can't be used here ({reason}): ./meshwg doctor says more.", UNAVAILABLE)


def check_writable(path: Path) -> None:
    """Ends unless a file can be written."""
    try:
        found = path.resolve()
        can_be = not found.is_dir() and os.access(found if found.exists() else found.parent, os.W_OK)
    except (OSError, RuntimeError):
        can_be = False
    if not can_be:
        end(f"{str(path)!r} can't be written.", CANNOT_CREATE)


def check_folder(path: Path) -> None:
    """Ends unless files can be written into a folder, which may not exist yet."""
    present = next(each for each in (path, *path.parents) if each.exists())
    if not present.is_dir() or not os.access(present, os.W_OK | os.X_OK):
        end(f"The folder {str(path)!r} can't be written.", CANNOT_CREATE)


def check_number(option: str, value: float | None) -> None:
    """Ends unless an option has a finite number, or none."""
    # NaN passes every comparison with a bound.
    if value is not None and not math.isfinite(value):
        end(f"--{option} takes a number, not {value}.", BAD_USAGE)


def check_choice(option: str, value: str | None, choices: tuple[str | None, ...]) -> None:
    """Ends unless an option has one of these values."""
    if value not in choices:
        end(f"--{option} takes one of {', '.join(filter(None, choices))}, not {value!r}.", BAD_USAGE)
