"""Costly policies, and the program that saves in a loop, against a server of the test."""

from __future__ import annotations

import http.server
import json
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.hostile import policies
from tests.harness.hostile.served import serving
from tests.harness.hostile.test_reads import Starter


@dataclass
class Saved:
    """Requests to a service that accepts every second save."""

    port: int = 0
    bodies: list[str] = field(default_factory=list)
    seen: Counter[tuple[str, str]] = field(default_factory=Counter)
    enough: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def saved() -> Iterator[Saved]:
    found = Saved()

    class Handler(http.server.BaseHTTPRequestHandler):
        def _take(self) -> None:
            found.bodies.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            found.seen[self.command, self.path] += 1
            if len(found.bodies) >= 40:
                found.enough.set()
            self.send_response(200 if len(found.bodies) % 2 else 422)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_PUT = do_POST = _take  # noqa: N815 - the server's own names

    with serving(Handler) as found.port:
        yield found


def test_saves_go_on_whatever_the_answers(saved: Saved, tmp_path: Path) -> None:
    requests = [policies.save("allow", policies.rules_of_many_ports(3)), policies.one_rule_more()]
    url = f"http://127.0.0.1:{saved.port}"
    with policies.saving(Starter(tmp_path), url, "t", requests, connections=3) as counts:
        assert saved.enough.wait(30)
    assert set(saved.seen) == {("PUT", "/api/v1/policy"), ("POST", "/api/v1/policy/rules")}
    assert counts.answers["200"] > 10
    assert counts.answers["422"] > 10
    added = [json.loads(body)["description"] for body in saved.bodies if "rules" not in body]
    assert len(set(added)) == len(added)


def test_rules_of_many_ports_have_a_hundred_each_and_overlap() -> None:
    rules = policies.rules_of_many_ports(1500)
    assert all(len(rule["ports"].split(",")) == 100 for rule in rules)
    assert len({rule["ports"] for rule in rules}) == 1500
    assert len({port for rule in rules for port in rule["ports"].split(",")}) < 150_000 / 2


def test_rules_between_pairs_are_all_different() -> None:
    machines = [f"m{number}" for number in range(20)]
    rules = policies.rules_between_pairs(machines, 1000)
    assert len({(rule["source"], rule["destination"], rule["ports"]) for rule in rules}) == 1000
    assert all(rule["source"] != rule["destination"] for rule in rules)


def test_no_two_machines_have_the_same_overlapping_groups() -> None:
    assert len({tuple(policies.overlapping_groups(number)) for number in range(223)}) == 223
