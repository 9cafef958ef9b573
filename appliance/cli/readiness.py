"""Notification of a service manager that a process is ready."""

from __future__ import annotations

import os
import socket

_VARIABLE = "NOTIFY_SOCKET"


def tell() -> None:
    """Send READY=1 to systemd, if it started this process (sd_notify(3))."""
    address = os.environ.pop(_VARIABLE, "")
    if not address:
        return
    # A name that begins with @ is an abstract one (unix(7)).
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.connect("\0" + address[1:] if address.startswith("@") else address)
        manager.send(b"READY=1")
