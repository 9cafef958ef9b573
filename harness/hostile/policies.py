"""Attack with saves: one organization saves in a loop, policies near and above the bounds, and single rules."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.client.api import PREFIX, Api
from harness.hostile import savers
from harness.hostile.programs import Start, service_options
from harness.hostile.reads import AnswerCount, counting_answers

Rule = dict[str, Any]
Request = tuple[str, str, str]
"""Method, path below the API's prefix, and body. ``{number}`` in a body is replaced by a new number each time."""

_PORTS_OF_A_RULE = 100
_MACHINE_BITS = 8
_HIGHEST_PORT = 65_535


def rules_of_many_ports(count: int) -> list[Rule]:
    """Returns rules of a hundred single ports each, no two of them adjacent."""
    rules = []
    for number in range(count):
        ports = [1 + (number * 7 + 2 * at * 311) % _HIGHEST_PORT for at in range(_PORTS_OF_A_RULE)]
        rules.append(
            {
                "action": "deny" if number % 2 else "allow",
                "source": "any",
                "destination": "any",
                "protocol": "tcp",
                "ports": ",".join(map(str, sorted(set(ports)))),
                "description": f"rule {number}",
            }
        )
    return rules


def rules_between_pairs(machines: Sequence[str], count: int) -> list[Rule]:
    """Returns rules for one port each, all different, between pairs of machines.

    Args:
        machines: ids of the machines.
    """
    many = len(machines)
    return [
        {
            "action": "deny",
            "source": f"machine:{machines[at % many]}",
            "destination": f"machine:{machines[(at + 1 + at // many % (many - 1)) % many]}",
            "protocol": "udp",
            "ports": str(1000 + at // (many * (many - 1))),
        }
        for at in range(count)
    ]


def overlapping_groups(number: int) -> list[str]:
    """Returns groups for a machine: one for each bit of its number, and one that all machines share.

    No other machine has the same set.
    """
    return ["all", *(f"bit {bit}" for bit in range(_MACHINE_BITS) if number >> bit & 1)]


def save(default: str, rules: Sequence[Rule]) -> Request:
    """Returns the request that saves a whole policy."""
    return "PUT", "/policy", json.dumps({"default": default, "rules": list(rules)})


def one_rule_more() -> Request:
    """Returns the request that adds a new rule each time."""
    rule = {"action": "deny", "source": "any", "destination": "any", "protocol": "udp", "description": "rule {number}"}
    return "POST", "/policy/rules", json.dumps(rule)


def grow(api: Api, machines: int, rules: int) -> list[str]:
    """Makes an organization large, on the paid plan.

    Returns:
        The ids of its machines.

    Raises:
        ApiError: the service refused.
    """
    api.call("PATCH", "/organization", {"plan": "paid"})
    requests = [{"name": f"machine {number}", "groups": overlapping_groups(number)} for number in range(machines)]
    added = [str(api.call("POST", "/machines", body).body["machine"]["id"]) for body in requests]
    api.call("PUT", "/policy", {"default": "allow", "rules": rules_between_pairs(added, rules)})
    return added


@contextmanager
def saving(
    start: Start,
    url: str,
    token: str,
    requests: Sequence[Request],
    *,
    certificate: Path | None = None,
    connections: int = 4,
) -> Iterator[AnswerCount]:
    """Sends requests in a loop over some connections while the block runs.

    Args:
        start: starts a program in the attacker's network (`Host.start_tool`).
        url: base URL of the service, ``https://host:port``.
        token: session token of the organization.
        requests: requests that each connection sends, one after the other.
        certificate: PEM file of the authority that signed the service's certificate.

    Raises:
        Inconclusive: no request was answered, or the program did not report the answers.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump([(method, PREFIX + path, body) for method, path, body in requests], file)
        file.flush()
        options = service_options(url, certificate, token=token, requests=file.name, connections=connections)
        with counting_answers(start, savers, options) as count:
            yield count
