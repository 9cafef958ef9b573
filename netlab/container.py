"""Docker containers as hosts of a lab, joined by netlab's own cables. Needs the extra `netlab-docker`.

    Lab(make_host=Containers(docker.from_env(), "my-image"))

The daemon runs on this kernel, and the caller sees its processes and is root over them. It is best started in the
sandbox of the lab: nothing of it outlives that. Docker's own network is not used.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from netlab.errors import HostUnavailable
from netlab.host import check_name
from netlab.labhost import LabHost, set_forwarding
from netlab.namespaces import Namespaces
from netlab.remote import Executed, RemotePrograms

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container as DockerContainer

_STDOUT, _STDERR = 1, 2
_POLL_S = 0.005


class Container(RemotePrograms, LabHost):
    """A running container whose network has only the links that the lab plugs in. Made by `Lab.host`.

    Programs run inside, with the container's rights and files. Sockets, pings, captures, shapes and address translation
    are made from outside and need nothing in the image. `folder` is mounted at the same path.
    """

    def __init__(self, name: str, folder: Path, client: DockerClient, container: DockerContainer) -> None:
        """Takes over a running container.

        Args:
            name: name of the host.
            folder: folder of the host, mounted in the container at the same path.
            client: client of the daemon that runs the container.
            container: the container; `close` removes it.
        """
        container.reload()
        self._api = client.api
        self._container = container
        self._pid = int(container.attrs["State"]["Pid"])
        super().__init__(name, folder, Namespaces.of_network(self._pid))

    @property
    def pid(self) -> int:
        """Id of the container's first process."""
        return self._pid

    def shell_command(self) -> list[str]:
        """Returns the command line of a shell in this container, for a place where `docker` finds the daemon."""
        return ["docker", "exec", "--interactive", "--tty", str(self._container.id), "/bin/sh"]

    def _execute(self, argv: Sequence[str], input: bytes, deadline_s: float) -> Executed:
        from docker.errors import DockerException
        from docker.utils.socket import SocketError, frames_iter

        parts = {_STDOUT: bytearray(), _STDERR: bytearray()}
        try:
            execution = self._api.exec_create(self._container.id, list(argv), stdin=True)["Id"]
            stream = self._api.exec_start(execution, socket=True)
            # The library has no call that ends the program's input, so its raw socket is used.
            raw: socket.socket = stream._sock  # type: ignore[union-attr]  # noqa: SLF001
            raw.settimeout(deadline_s)
            sender = threading.Thread(target=_send, args=(raw, input), name="netlab-docker-input", daemon=True)
            sender.start()
            try:
                for kind, data in frames_iter(stream, tty=False):  # type: ignore[no-untyped-call]
                    parts[kind] += data
            finally:
                stream.close()
            sender.join(deadline_s)
            # The stream may end a moment before the daemon has noticed the end.
            while (state := self._api.exec_inspect(execution))["Running"]:
                time.sleep(_POLL_S)
        except (DockerException, SocketError, OSError) as error:
            raise HostUnavailable(self.name, f"docker: {error}") from error
        return Executed(int(state["ExitCode"]), bytes(parts[_STDOUT]), bytes(parts[_STDERR]))

    def close(self) -> None:
        """Removes the container and everything that runs in it. Called by the lab."""
        for process in self._processes:
            process.stop()
        self.netlink.close()
        self._namespaces.close()
        self._container.remove(force=True)


class Containers:
    """Maker of hosts from one image, for `Lab(make_host=…)`."""

    def __init__(self, client: DockerClient, image: str) -> None:
        """Keeps client and image; starts nothing yet.

        Args:
            client: client of the daemon; the caller closes it.
            image: name of an image that the daemon has. `wg_quick` needs wireguard-tools in it, and wireguard-go where
                the kernel has no WireGuard.
        """
        self._client = client
        self._image = image

    def __call__(self, name: str, folder: Path, hosts_file: Path, *, forwards: bool) -> Container:
        """Starts a container that waits for programs.

        Args:
            name: name of the host, and its host name.
            folder: folder of the host; made here.
            hosts_file: file to mount as `/etc/hosts`.
            forwards: make it a router, for IPv4 and IPv6.

        Returns:
            The host.

        Raises:
            HostUnavailable: Docker can't start it; its reason is in the message.
            InvalidName: `name` is not a host name.
        """
        from docker.errors import DockerException

        check_name(name)
        folder.mkdir()
        volumes = {str(folder): {"bind": str(folder), "mode": "rw"}}
        volumes[str(hosts_file)] = {"bind": "/etc/hosts", "mode": "ro"}
        try:
            container = self._client.containers.run(
                self._image,
                ["sleep", "infinity"],
                detach=True,
                init=True,
                hostname=name,
                network_mode="none",
                cap_add=["NET_ADMIN"],
                devices=["/dev/net/tun"],
                volumes=volumes,
            )
        except DockerException as error:
            raise HostUnavailable(name, f"docker: {error}") from error
        try:
            host = Container(name, folder, self._client, container)
            host.in_network(lambda: _set_up_network(forwards))
        except BaseException:
            container.remove(force=True)
            raise
        return host


def _set_up_network(forwards: bool) -> None:
    set_forwarding(forwards)
    # Docker switches IPv6 off where it has not been asked for a network.
    for scope in ("all", "default"):
        Path(f"/proc/sys/net/ipv6/conf/{scope}/disable_ipv6").write_text("0")


def _send(sock: socket.socket, data: bytes) -> None:
    # A program that ends without reading all of its input closes the stream.
    try:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        return
