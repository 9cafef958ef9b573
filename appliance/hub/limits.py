"""What the host allows each process and user by default is too little for a thousand organizations."""

from __future__ import annotations

import resource
from pathlib import Path

import structlog

log = structlog.get_logger()

# wireguard-go takes one for each link (inotify(7)); most hosts start with 128 for each user.
_INOTIFY_INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances")
_ENOUGH_INSTANCES = 8192


def raise_them() -> None:
    """Open files of this process to what the host allows at most; inotify instances of every user, if they are few."""
    # Each organization takes six, to change its rules and to hear of changes.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    try:
        if int(_INOTIFY_INSTANCES.read_text()) < _ENOUGH_INSTANCES:
            _INOTIFY_INSTANCES.write_text(str(_ENOUGH_INSTANCES))
            log.info("the host's limit of inotify instances was raised", to=_ENOUGH_INSTANCES)
    except OSError as error:
        log.warning("the host's limit of inotify instances can't be raised", error=error.strerror)
