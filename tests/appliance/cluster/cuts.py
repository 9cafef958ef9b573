"""Cuts between two hosts of a lab of hubs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from netlab import LabHost


@contextmanager
def cut(one: LabHost, other: LabHost) -> Iterator[None]:
    """Drops what each of two hosts sends the other by the inner network."""
    for host, far in ((one, other), (other, one)):
        host.run(
            "nft",
            f"table inet cut {{ chain enter {{ type filter hook input priority 0; ip saddr {_inner(far)} drop; }}; }}",
        )
    try:
        assert not one.ping(_inner(other), timeout=0.2)
        yield
    finally:
        for host in (one, other):
            host.run("nft", "delete", "table", "inet", "cut")


def _inner(host: LabHost) -> str:
    """Returns a host's address in the inner network."""
    return next(each for each in host.addresses() if each.startswith("198.51.100.")).partition("/")[0]
