"""Attacks by strangers: log-ins and sign-ups from many addresses, and bodies that are announced and never sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harness.hostile import crowd, programs
from harness.hostile.programs import Start, running, service_options

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
    token: str | None = None,
    network: str | None = None,
    connections: int = 8,
    count: int = 0,
) -> Iterator[CrowdAnswers]:
    """Sends requests from many addresses while the block runs. With a ``count``, waits until that many are answered.

    Args:
        start: starts a program in the attacker's network (`Host.start_tool`).
        url: base URL of the service, ``https://host:port``.
        kind: a key of `crowd.KINDS`: ``log-ins``, ``sign-ups``, ``invalid sign-ups``, ``resets``, ``invalid machines``,
            ``invalid rules`` or ``bodies``.
        certificate: PEM file of the authority that signed the service's certificate.
        token: bearer token of every request, for calls of a member; None for none.
        network: range that requests claim to come from, through a proxy that the service trusts; None for the host
            itself.
        count: number of requests; 0 for no end.

    Raises:
        Inconclusive: no request was answered, or the program did not report the answers.
    """
    options = service_options(
        url, certificate, kind=kind, token=token, network=network, connections=connections, count=count
    )
    answers = CrowdAnswers()
    with running(
        start,
        crowd,
        options,
        failure="the crowd was not answered",
        # Requests without their body are answered only once their time is over.
        waits=kind != "bodies",
        deadline_s=READY_S,
        patience_s=programs.LONGEST_S if count else 0.0,
    ) as result:
        yield answers
    answers.answers = result["answers"]
