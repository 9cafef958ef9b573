"""Checks of the host before a service starts."""

from __future__ import annotations

import errno
import socket

from appliance import host
from appliance.cli.errors import CommandError, Exit
from appliance.cli.settings import Settings
from appliance.hub.errors import HubError, NoBackend
from appliance.hub.wireguard import choose


def check_host(settings: Settings) -> str:
    """Check the host, and find the WireGuard implementation for the hub.

    Raises:
        CommandError: root or its capabilities, writable kernel settings, the TUN device or WireGuard is missing.
    """
    privileges = host.privileges()
    if not privileges.root:
        raise CommandError(
            "The hub makes network namespaces and WireGuard links, which takes root: run it with sudo.",
            Exit.NOT_PERMITTED,
        )
    if privileges.lacking:
        raise CommandError(
            f"This root, as in a container, lacks {' and '.join(privileges.lacking)}. `meshwg doctor` tells more.",
            Exit.UNAVAILABLE,
        )
    error = host.settings_error()
    if error is not None:
        raise CommandError(
            f"Each organization's network has kernel settings of its own, and {error.filename} can't be written: "
            f"{error.strerror}. `meshwg doctor` tells more.",
            Exit.UNAVAILABLE,
        )
    try:
        backend = choose(settings.wireguard)
    except (NoBackend, HubError) as error:
        raise CommandError(f"This host has {error}. `meshwg doctor` tells more.", Exit.UNAVAILABLE) from None
    if backend.name != "kernel":
        _check_tun(backend.name)
    return f"{backend.name} {backend.version}"


def _check_tun(backend: str) -> None:
    error = host.tun_error()
    if error is not None:
        raise CommandError(
            f"{backend} needs the TUN device, and {error.filename} can't be opened: {error.strerror}. "
            "`meshwg doctor` tells more.",
            Exit.UNAVAILABLE,
        )


def check_address(settings: Settings) -> None:
    """Raise `CommandError` if the address to listen on is taken, or not this machine's."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
            probe.listen()
        except OSError as error:
            where = f"{settings.host}:{settings.port}"
            if error.errno == errno.EADDRINUSE:
                sentence = f"Another program listens on {where} already; choose another with --listen."
            else:
                sentence = f"The service can't listen on {where}: {error.strerror}."
            raise CommandError(sentence, Exit.ADDRESS_IN_USE) from None
