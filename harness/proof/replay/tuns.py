"""Throwaway network namespaces whose links are TUNs: what is written to one arrives there by it."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from harness.proof.replay.errors import Unreplayable
from netlab.namespaces import Namespaces

# <linux/if_tun.h>
_TUNSETIFF, _TUNSETIFINDEX = 0x400454CA, 0x400454DA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_TUN = "/dev/net/tun"


@contextmanager
def namespace_of_tuns(wanted: Mapping[str, int]) -> Iterator[tuple[Namespaces, dict[int, int]]]:
    """Makes a namespace with some links; those that each namespace has by itself stay as they are.

    Args:
        wanted: index of each link by its name.

    Yields:
        The namespace, and non-blocking file descriptors of the TUNs by their index.

    Raises:
        Unreplayable: this host can't make it.
    """
    links: dict[int, int] = {}

    def prepare() -> None:
        # The loopback link, and tunnels that some kernels put into each namespace.
        present = {name for _, name in socket.if_nameindex()}
        for name, index in wanted.items():
            if name not in present:
                links[index] = _add_tun(name, index)

    namespaces = None
    try:
        namespaces = Namespaces.create(("net",), prepare)
        yield namespaces, links
    except OSError as error:
        raise Unreplayable(f"A namespace with a TUN can't be made here: {error}") from error
    finally:
        for descriptor in links.values():
            os.close(descriptor)
        if namespaces is not None:
            namespaces.close()


def _add_tun(name: str, index: int) -> int:
    descriptor = os.open(_TUN, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, _TUNSETIFINDEX, struct.pack("I", index))
    fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    return descriptor


def run_program(*command: str, text: str = "") -> str:
    """Runs a program where this thread is, and returns its standard output.

    Raises:
        Unreplayable: it failed.
    """
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unreplayable(f"{' '.join(command)} failed: {done.stderr.strip()[:500]}")
    return done.stdout
