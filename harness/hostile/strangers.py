"""Strangers in number: floods of log-ins and sign-ups from many addresses, and bodies that are never sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from harness.hostile import crowd
from harness.hostile.programs import Start, running

_DEADLINE = 60.0


@dataclass
class Reception:
    """Answers that a crowd got; empty until it is over.

    Attributes:
        answers: how many, by status; ``broken`` for connections that were ended.
    """

    answers: Mapping[str, int] = field(default_factory=dict)

    @property
    def looked_at(self) -> int:
        """Number of requests that no limit refused."""
        return sum(count for status, count in self.answers.items() if status not in ("429", "broken"))


@contextmanager
def crowding(
    start: Start,
    url: str,
    kind: str,
    *,
    certificate: Path | None = None,
    network: str | None = None,
    connections: int = 8,
    count: int = 0,
    seconds: float = 600.0,
    log: str = "crowd",
) -> Iterator[Reception]:
    """Has a crowd of strangers ask while the block lasts; a crowd that asks so often and no more is waited for.

    Args:
        start: starts a program in the attacker's network (`Host.start_tool`).
        url: ``https://host:port`` of the service.
        kind: a key of `crowd.KINDS`: ``log-ins``, ``sign-ups``, ``tries``, ``resets`` or ``bodies``.
        certificate: PEM of what the service's certificate is checked against.
        network: where the crowd is said to come from, by a host whose word the service takes; None: the host itself.
        count: requests altogether; 0: without end.
        seconds: after which it ends by itself.
        log: name of the program's log.

    Raises:
        Inconclusive: it was never answered, or did not say what it was answered.
    """
    parts = urlsplit(url)
    wish = {
        "host": parts.hostname,
        "port": parts.port,
        "kind": kind,
        "network": network,
        "connections": connections,
        "count": count,
        "seconds": seconds,
        "certificate": None if certificate is None else str(certificate),
    }
    reception = Reception()
    with running(
        start,
        Path(crowd.__file__),
        wish,
        # Bodies that are never sent are not answered before their time is over.
        ready=None if kind == "bodies" else crowd.READY,
        log=log,
        otherwise="the crowd was not answered",
        deadline_s=_DEADLINE,
        patience_s=seconds if count else 0.0,
    ) as told:
        yield reception
    reception.answers = told["answers"]
