"""wireguard-go, which is handed its TUN link, up already, and its control socket.

So it needs no device file and no capability, has a user of its own from its first instruction on, and waits for
nothing: by itself it looks once a second whether its link is up.

Source: wireguard-go `main.go` and `tun/tun_linux.go`
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from appliance.hub.kernel import links
from appliance.hub.wireguard import processes, tun, uapi
from appliance.hub.wireguard.launcher import Launcher
from appliance.hub.wireguard.userspace import Program, Userspace, uid_of

PROGRAM = Program("wireguard-go", processes.WIREGUARD_GO, ("--foreground",))


class WireguardGo(Userspace):
    """wireguard-go's `Backend`."""

    def __init__(self) -> None:
        super().__init__(PROGRAM)
        self._launcher = Launcher()
        self._format: tun.Format | None = None
        self._looking = threading.Lock()

    def _bring_up(self, link: str, private_key: str, port: int) -> None:
        uid = uid_of(port)
        capabilities = "" if self._launcher.is_filtering else "+net_admin"
        with tun.made(link, self._format_of_its_own()) as device, _listening(link, uid) as control:
            links.set_up(link)
            handed = {"WG_TUN_FD": device, "WG_UAPI_FD": control}
            self._start(link, handed, uid, capabilities, self._launcher.start)
        # Once it has bound a port of its own, one that can't be bound is an error that it tells.
        self._wait_until(link, lambda found: found.listen_port != 0, "it binds no UDP port")
        uapi.set_device(link, uapi.device_lines(private_key, port))

    def _format_of_its_own(self) -> tun.Format:
        """The format that this version takes every TUN link to have: that of one which it makes itself.

        Its version does not tell: for two years all had the same number.
        """
        with self._looking:
            if self._format is None:
                link = f"mwprobe{os.getpid()}"
                try:
                    with _listening(link) as control:
                        self._start(link, {"WG_UAPI_FD": control})
                    self._wait_until(link, lambda _: True)
                    self._format = tun.format_of(link)
                finally:
                    self._end(link, had_link=links.delete_here(link))
            return self._format


@contextmanager
def _listening(link: str, uid: int = 0) -> Iterator[int]:
    path = uapi.path_of(link)
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    # Whoever left one can't be asked any more.
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        # To watch the file the process has to read it; to connect, as only the hub may, takes writing.
        path.chmod(0o640)
        os.chown(path, 0, uid)
        listener.listen()
        yield listener.fileno()
