"""Logins over SSH: the address, the user, and the keys by which host and user know each other."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from netlab.errors import HostUnavailable

if TYPE_CHECKING:
    from paramiko import SSHClient


@dataclass(frozen=True)
class Login:
    """The way to a host over SSH.

    Attributes:
        address: name or address of the host.
        user: user who has the rights that a lab needs; root unless `elevate` is given.
        port: TCP port.
        key_file: private key in OpenSSH's format; None tries the agent and the default keys.
        host_key: the only key that the host may have, as in a `.pub` file (`ssh-ed25519 AAAA…`); None looks for it in
            `known_hosts`.
        known_hosts: a file in OpenSSH's format; None is the caller's own.
        elevate: words to put before each command to get root's rights, such as `("sudo", "-n")`.
    """

    address: str
    user: str = "root"
    port: int = 22
    key_file: Path | None = None
    host_key: str | None = None
    known_hosts: Path | None = None
    elevate: tuple[str, ...] = ()


def connect(name: str, login: Login, timeout_s: float, sock: socket.socket | None = None) -> SSHClient:
    """Opens a connection and logs in.

    Args:
        name: name of the host, for errors.
        login: the way to the host.
        timeout_s: seconds for each of connection, greeting and login.
        sock: an open connection to the SSH server, which the client closes; None makes one.

    Returns:
        The client, to be closed by the caller.

    Raises:
        HostUnavailable: no connection, another host key than expected, or no login.
    """
    import paramiko
    from paramiko.hostkeys import HostKeyEntry

    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    known = login.address if login.port == 22 else f"[{login.address}]:{login.port}"
    try:
        if login.host_key is None:
            client.load_system_host_keys(None if login.known_hosts is None else str(login.known_hosts))
        else:
            entry = HostKeyEntry.from_line(f"{known} {login.host_key}")
            if entry is None or entry.key is None:
                raise HostUnavailable(name, f"its host key is not one: {login.host_key!r}")
            client.get_host_keys().add(known, entry.key.get_name(), entry.key)
        client.connect(
            login.address,
            login.port,
            login.user,
            key_filename=None if login.key_file is None else str(login.key_file),
            allow_agent=login.key_file is None,
            look_for_keys=login.key_file is None,
            timeout=timeout_s,
            banner_timeout=timeout_s,
            auth_timeout=timeout_s,
            sock=sock,
        )
    except (paramiko.SSHException, EOFError, OSError) as error:
        client.close()
        raise HostUnavailable(name, f"ssh {login.user}@{known}: {error}") from error
    return client
