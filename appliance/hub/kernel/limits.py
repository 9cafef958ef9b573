"""Limits of the host, whose defaults are too low for a thousand organizations."""

from __future__ import annotations

import resource
from contextlib import suppress
from pathlib import Path

import structlog

log = structlog.get_logger()

# wireguard-go takes one for each link (inotify(7)); most hosts start with 128 for each user.
_INOTIFY_INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances")
_ENOUGH_INSTANCES = 8192


def raise_limits() -> None:
    """Raise open files of this process, processes of its children's user, and inotify instances of every user."""
    # Each organization takes seven files: to change its rules, to watch for changes, and to count its connections.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with suppress(ValueError, OSError):
        # Every link has ten threads of an unprivileged user; the kernel does not count root's.
        resource.setrlimit(resource.RLIMIT_NPROC, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    try:
        if int(_INOTIFY_INSTANCES.read_text()) < _ENOUGH_INSTANCES:
            _INOTIFY_INSTANCES.write_text(str(_ENOUGH_INSTANCES))
            log.info("the host's limit of inotify instances was raised", to=_ENOUGH_INSTANCES)
    except OSError as error:
        log.warning("the host's limit of inotify instances can't be raised", error=error.strerror)
