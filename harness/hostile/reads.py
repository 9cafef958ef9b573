"""One organization that reads what is long over many connections: its policy, its counters, its audit trail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harness.client.api import PREFIX, Api
from harness.hostile import readers
from harness.hostile.programs import Start, running

LONG_READS = ("/policy", "/policy/counters", "/audit?limit=1000")
"""Calls whose answers grow with what the organization has."""

MOST_RULES = 2000
"""As many of these rules as a service takes: each is looked up in two ways."""

_LONGEST = 500


@dataclass
class AnswerCount:
    """Answers that an attack got; empty until it is over.

    Attributes:
        answers: how many, by status; ``broken`` for connections that were ended.
        bytes: of the bodies.
    """

    answers: Mapping[str, int] = field(default_factory=dict)
    bytes: int = 0


def many_rules(count: int) -> list[dict[str, Any]]:
    """Rules that are all different, so that each has a counter of its own, with descriptions as long as they may be."""
    return [
        {
            "action": "allow",
            "source": "any",
            "destination": "any",
            "protocol": "tcp" if number % 2 else "udp",
            "ports": str(1 + number // 2),
            "description": f"rule {number} ".ljust(_LONGEST, "x"),
        }
        for number in range(count)
    ]


def fill(api: Api, rules: int = MOST_RULES, entries: int = 0) -> None:
    """Gives an organization the paid plan, a long policy, and an audit trail.

    Args:
        api: signed in as the organization's owner.
        entries: changes of a machine's groups, each with an entry in the trail.

    Raises:
        ApiError: the service refused it.
    """
    api.call("PATCH", "/organization", {"plan": "paid"})
    if entries:
        machine = api.call("POST", "/machines", {"name": "filler"}).body["machine"]["id"]
        for number in range(entries):
            groups = [f"{number:04d} {letter}" + "x" * 200 for letter in "abcdefgh"]
            api.call("PATCH", f"/machines/{machine}", {"groups": groups})
    api.call("PUT", "/policy", {"default": "allow", "rules": many_rules(rules)})


@contextmanager
def reading(
    start: Start,
    url: str,
    token: str,
    *,
    certificate: Path | None = None,
    paths: Sequence[str] = LONG_READS,
    connections: int = 24,
    seconds: float = 600.0,
    log: str = "readers",
) -> Iterator[AnswerCount]:
    """Reads in a loop over many connections, while the block lasts.

    Args:
        start: starts a program in the attacker's network (`Host.start_tool`).
        url: ``https://host:port`` of the service.
        token: of the organization that reads.
        certificate: PEM of what the service's certificate is checked against.
        paths: below the API's prefix; connections begin at different ones.
        seconds: after which it ends by itself.
        log: name of the program's log.

    Raises:
        Inconclusive: it was never answered, or did not say what it was answered.
    """
    parts = urlsplit(url)
    wish = {
        "host": parts.hostname,
        "port": parts.port,
        "token": token,
        "paths": [PREFIX + path for path in paths],
        "connections": connections,
        "seconds": seconds,
        "certificate": None if certificate is None else str(certificate),
    }
    with counting_answers(start, Path(readers.__file__), wish, readers.READY, log) as count:
        yield count


@contextmanager
def counting_answers(
    start: Start, program: Path, wish: Mapping[str, Any], ready: str, log: str
) -> Iterator[AnswerCount]:
    """Run a program that counts answers, as `programs.running` does."""
    count = AnswerCount()
    with running(start, program, wish, ready=ready, log=log) as told:
        yield count
    count.answers, count.bytes = told["answers"], told["bytes"]
