"""What the host allows each process and user by default is too little for a thousand organizations."""

from __future__ import annotations

import resource
from contextlib import suppress
from pathlib import Path

import structlog

log = structlog.get_logger()

# wireguard-go takes one for each link (inotify(7)); most hosts start with 128 for each user.
_INOTIFY_INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances")
_ENOUGH_INSTANCES = 8192


def raise_them() -> None:
    """Raises them: open files of this process, processes of its children's user, inotify instances of every user."""
    # Each organization takes seven, to change its rules, to hear of changes, and to count its connections.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with suppress(ValueError, OSError):
        # Every link is ten threads of one user, who is not root, whom the kernel does not count.
        resource.setrlimit(resource.RLIMIT_NPROC, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    try:
        if int(_INOTIFY_INSTANCES.read_text()) < _ENOUGH_INSTANCES:
            _INOTIFY_INSTANCES.write_text(str(_ENOUGH_INSTANCES))
            log.info("the host's limit of inotify instances was raised", to=_ENOUGH_INSTANCES)
    except OSError as error:
        log.warning("the host's limit of inotify instances can't be raised", error=error.strerror)
