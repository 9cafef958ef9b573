"""wireguard-go, started with descriptors of its TUN link, which is up already, and of its control socket.

So it needs no device file and no capability, runs as a user of its own from its first instruction on, and does not
wait for its link, whose state it checks only once a second. With the launcher's filter it also needs no link in its own
namespace, so the link is made where it belongs: moving it there holds up all other changes of links on the host.

Source: wireguard-go `main.go` and `tun/tun_linux.go`
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext

from appliance import files
from appliance.hub.kernel import links, namespace
from appliance.hub.names import KernelNames
from appliance.hub.wireguard import processes, tun, uapi
from appliance.hub.wireguard.launcher import Launcher
from appliance.hub.wireguard.userspace import Program, Userspace, uid_of

PROGRAM = Program("wireguard-go", processes.WIREGUARD_GO, ("--foreground",))


class WireguardGo(Userspace):
    """wireguard-go's `Backend`."""

    def __init__(self) -> None:
        super().__init__(PROGRAM)
        self._launcher: Launcher | None = None
        self._format: tun.Format | None = None
        self._looking = threading.Lock()

    def _bring_up(self, names: KernelNames, private_key: str, port: int) -> None:
        link, uid = names.link, uid_of(port)
        launcher = self._launcher_of_its_own()
        is_filtering = launcher.is_filtering
        capabilities = "" if is_filtering else "+net_admin"
        place = namespace.entered(names.namespace) if is_filtering else nullcontext()
        with _made(link, self._format_of_its_own(), place) as device, _listening(link, uid) as control:
            descriptors = {"WG_TUN_FD": device, "WG_UAPI_FD": control}
            self._start(link, descriptors, uid, capabilities, launcher.start)
        # It reports an error for a port that can't be bound only after it has bound one.
        self._wait_until(link, lambda found: found.listen_port != 0, "it binds no UDP port")
        uapi.set_device(link, uapi.device_lines(private_key, port))
        if not is_filtering:
            links.move(names)

    def _launcher_of_its_own(self) -> Launcher:
        """Launcher, made with the first link: its filter takes as long to load as a Python to start."""
        with self._looking:
            if self._launcher is None:
                self._launcher = Launcher()
            return self._launcher

    def _format_of_its_own(self) -> tun.Format:
        """Format that this version expects of every TUN link, read from a link that it made itself.

        Its version number is no criterion, as it did not change for two years.
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
def _made(link: str, format_: tun.Format, place: AbstractContextManager[None]) -> Iterator[int]:
    """Make a TUN link that is up in the place, the namespace that this context enters."""
    with ExitStack() as stack:
        with place:
            device = stack.enter_context(tun.made(link, format_))
            links.set_up(link)
        yield device


@contextmanager
def _listening(link: str, uid: int = 0) -> Iterator[int]:
    path = uapi.path_of(link)
    files.make_passable(path.parent)
    # An old socket is of no use.
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        # The process must read the file to watch it; connecting needs write access, which only the hub has.
        path.chmod(0o640)
        os.chown(path, 0, uid)
        listener.listen()
        yield listener.fileno()
