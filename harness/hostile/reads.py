"""Attack with reads: one organization reads its policy, counters and audit trail over many connections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.client.api import PREFIX, Api
from harness.hostile import readers
from harness.hostile.programs import Start, running, service_options

LONG_READS = ("/policy", "/policy/counters", "/audit?limit=1000")
"""Paths whose answers grow with the organization."""

MOST_RULES = 2000
"""Most of `many_rules` that a policy may have: each is looked up in two ways."""

_LONGEST = 500


@dataclass
class AnswerCount:
    """Answers to the requests of an attack; empty until it is over.

    Attributes:
        answers: number of answers by status; ``broken`` counts broken connections.
        bytes: total length of their bodies.
    """

    answers: Mapping[str, int] = field(default_factory=dict)
    bytes: int = 0


def many_rules(count: int) -> list[dict[str, Any]]:
    """Returns rules that are all different, so that each has a counter, with descriptions of the greatest length."""
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
    """Gives an organization the paid plan, a long policy and an audit trail.

    Args:
        api: client that is signed in as the owner.
        rules: length of the policy.
        entries: number of audit entries, made by changes of a machine's groups.

    Raises:
        ApiError: the service refused.
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
) -> Iterator[AnswerCount]:
    """Reads paths in a loop over many connections while the block runs.

    Args:
        start: starts a program in the attacker's network (`Host.start_tool`).
        url: base URL of the service, ``https://host:port``.
        token: session token of the organization.
        certificate: PEM file of the authority that signed the service's certificate.
        paths: paths below the API's prefix; each connection begins with another one.

    Raises:
        Inconclusive: no request was answered, or the program did not report the answers.
    """
    prefixed = [PREFIX + path for path in paths]
    options = service_options(url, certificate, token=token, paths=prefixed, connections=connections)
    with counting_answers(start, readers, options) as count:
        yield count


@contextmanager
def counting_answers(start: Start, program: ModuleType, options: Mapping[str, Any]) -> Iterator[AnswerCount]:
    """Runs a program that counts answers; see `programs.running`."""
    count = AnswerCount()
    with running(start, program, options) as result:
        yield count
    count.answers, count.bytes = result["answers"], result["bytes"]
