"""One organization that saves in a loop: policies as large as may be, larger ones, or one rule after another."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harness.client.api import PREFIX, Api
from harness.hostile import savers
from harness.hostile.programs import Start
from harness.hostile.reads import AnswerCount, counting_answers

Rule = dict[str, Any]
Request = tuple[str, str, str]
"""Method, path below the API's prefix, and body; ``{number}`` in it is another number each time."""

_PORTS_OF_A_RULE = 100
_HIGHEST_PORT = 65_535


def rules_of_many_ports(count: int, first: str = "any", second: str = "any") -> list[Rule]:
    """Rules of a hundred single ports each, of which no two are neighbours; they overlap where they are many."""
    rules = []
    for number in range(count):
        ports = [1 + (number * 7 + 2 * at * 311) % _HIGHEST_PORT for at in range(_PORTS_OF_A_RULE)]
        rules.append(
            {
                "action": "deny" if number % 2 else "allow",
                "source": first,
                "destination": second,
                "protocol": "tcp",
                "ports": ",".join(map(str, sorted(set(ports)))),
                "description": f"rule {number}",
            }
        )
    return rules


def rules_between_pairs(machines: Sequence[str], count: int) -> list[Rule]:
    """Rules for one port, each between another pair of machines.

    Args:
        machines: ids.
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


def rules_between_groups(groups: Sequence[str], ports: str = "22,80,443,8000") -> list[Rule]:
    """One rule from each group to each."""
    return [
        {"action": "deny", "source": f"group:{one}", "destination": f"group:{other}", "protocol": "tcp", "ports": ports}
        for one in groups
        for other in groups
    ]


def overlapping(number: int, bits: int = 8) -> list[str]:
    """The groups of a machine of which no other one has the same: those of its number's bits, and one for all."""
    return ["all", *(f"bit {bit}" for bit in range(bits) if number >> bit & 1)]


def save(default: str, rules: Sequence[Rule]) -> Request:
    """A save of a whole policy."""
    return "PUT", "/policy", json.dumps({"default": default, "rules": list(rules)})


def one_rule_more() -> Request:
    """A rule that no save before had."""
    rule = {"action": "deny", "source": "any", "destination": "any", "protocol": "udp", "description": "rule {number}"}
    return "POST", "/policy/rules", json.dumps(rule)


def grow(api: Api, machines: int, rules: int) -> list[str]:
    """Makes an organization large, on the paid plan; returns the ids of its machines.

    Raises:
        ApiError: the service refused it.
    """
    api.call("PATCH", "/organization", {"plan": "paid"})
    wishes = [{"name": f"machine {number}", "groups": overlapping(number)} for number in range(machines)]
    added = [str(api.call("POST", "/machines", wish).body["machine"]["id"]) for wish in wishes]
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
    seconds: float = 600.0,
    log: str = "savers",
) -> Iterator[AnswerCount]:
    """Makes these requests in a loop over some connections, while the block lasts.

    Args:
        start: starts a program in the attacker's network (`Host.start_tool`).
        url: ``https://host:port`` of the service.
        token: of the organization that saves.
        certificate: PEM of what the service's certificate is checked against.
        seconds: after which it ends by itself.
        log: name of the program's log.

    Raises:
        Inconclusive: it was never answered, or did not say what it was answered.
    """
    parts = urlsplit(url)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump([(method, PREFIX + path, body) for method, path, body in requests], file)
        file.flush()
        wish = {
            "host": parts.hostname,
            "port": parts.port,
            "token": token,
            "requests": file.name,
            "connections": connections,
            "seconds": seconds,
            "certificate": None if certificate is None else str(certificate),
        }
        with counting_answers(start, Path(savers.__file__), wish, savers.READY, log) as count:
            yield count
