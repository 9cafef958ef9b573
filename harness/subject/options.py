"""Options of the lab's own service."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Build:
    """The service as it is, or with parts replaced: by a sabotage, or by those of an older release.

    Attributes:
        program: words after ``python -m`` that start it.
        body: function that runs it with the service's arguments, in a process that is forked for it.
        operator: function that runs the operator's command line, without the sabotage, in such a process.
    """

    program: Sequence[str]
    body: Callable[[Sequence[str]], None]
    operator: Callable[[Sequence[str]], None]


@dataclass(frozen=True)
class ServiceOptions:
    """Options of the service's start.

    Attributes:
        address: address of the host, which the service listens on.
        trusted: values of ``--trusted-source``.
        proxies: values of ``--trusted-proxy``.
        wireguard: value of ``--wireguard``.
        broken: sabotaged service to start in its place; None for the product itself.
        product: the product itself, for forks of it; None if it is always a program.
        endpoint: value of ``--endpoint``; None for the address.
        has_postgresql: store in a PostgreSQL on the same host, which starts with the service; not in SQLite.
        release: makes another release of the service, by its name in the catalogue of sabotages; None if there is none.
    """

    address: str
    trusted: Sequence[str] = ()
    proxies: Sequence[str] = ()
    wireguard: str = "auto"
    broken: Build | None = None
    product: Build | None = None
    endpoint: str | None = None
    has_postgresql: bool = False
    release: Callable[[str], Build] | None = None
