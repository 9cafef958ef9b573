"""Attacks by strangers: log-ins and sign-ups from many addresses, and bodies that are announced and never sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from harness.hostile import crowd
from harness.hostile.programs import Start, running

READY_S = 60.0
"""Seconds in which a crowd has to be answered first."""


@dataclass
class CrowdAnswers:
    """Answers to the requests of a crowd; empty until the attack is over.

    Attributes:
        answers: number of answers by status; ``broken`` counts broken connections.
    """

    answers: Mapping[str, int] = field(default_factory=dict)

    @property
    def not_refused(self) -> int:
        """Number of requests that no limit refused."""
        return sum(count for status, count in self.answers.items() if status not in ("429", "broken"))


@contextmanager
def sending(
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
) -> Iterator[CrowdAnswers]:
    """Sends requests from many addresses while the block runs. With a ``count``, waits until that many are answered.

    Args:
        start: starts a program in the attacker's network (`Host.start_tool`).
        url: base URL of the service, ``https://host:port``.
        kind: a key of `crowd.KINDS`: ``log-ins``, ``sign-ups``, ``invalid sign-ups``, ``resets`` or ``bodies``.
        certificate: PEM file of the authority that signed the service's certificate.
        network: range that requests claim to come from, through a proxy that the service trusts; None for the host
            itself.
        count: number of requests; 0 for no end.
        seconds: time after which the attack ends by itself.
        log: name of the program's log.

    Raises:
        Inconclusive: no request was answered, or the program did not report the answers.
    """
    parts = urlsplit(url)
    options = {
        "host": parts.hostname,
        "port": parts.port,
        "kind": kind,
        "network": network,
        "connections": connections,
        "count": count,
        "seconds": seconds,
        "certificate": None if certificate is None else str(certificate),
    }
    answers = CrowdAnswers()
    with running(
        start,
        Path(crowd.__file__),
        options,
        # Requests without their body are answered only once their time is over.
        ready=None if kind == "bodies" else crowd.READY,
        log=log,
        failure="the crowd was not answered",
        deadline_s=READY_S,
        patience_s=seconds if count else 0.0,
    ) as result:
        yield answers
    answers.answers = result["answers"]
