"""Proves an organization's policy on a service of this host, from what the kernel has and what the API says."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any
from urllib.parse import quote

from harness.client.api import Api
from harness.proof import Machine, Policy, Proof, prove, read

Command = Callable[[list[str]], str]
"""Runs a program on the hub's host and returns its standard output."""


class Unavailable(Exception):
    """Something that the proof takes is not there."""


@dataclass(frozen=True)
class Proven:
    """A proof, and what it is of."""

    organization: str
    namespace: str
    policy: str
    version: int
    proof: Proof


def prove_policy(api: Api, run: Command) -> Proven:
    """Prove the policy of the organization that an API token belongs to.

    Raises:
        Unavailable: its namespace is not on this host, or its policy changed meanwhile.
        ApiError: the service refused a call.
        Unmodelled: something in the namespace has no meaning in the proof.
    """
    organization = api.call("GET", "/organization").body
    before = api.call("GET", "/policy").body
    machines = tuple(_machines(api))
    namespace = _namespace(organization["id"], run)
    reading = read(lambda *words: run(["ip", "netns", "exec", namespace, *words]))
    if (api.call("GET", "/policy").body["version"], tuple(_machines(api))) != (before["version"], machines):
        raise Unavailable("The policy or its machines changed while the rules were read; try again.")
    policy = Policy(IPv4Network(organization["network"]), machines, before["default"], before["rules"])
    return Proven(organization["id"], namespace, digest(policy), before["version"], prove(reading, policy))


def digest(policy: Policy) -> str:
    """SHA-256 of what a policy says."""
    content = {
        "network": str(policy.network),
        "machines": [[each.id, str(each.address), sorted(each.groups)] for each in policy.machines],
        "default": policy.default,
        "rules": [
            [
                rule["action"],
                rule["source"],
                rule["destination"],
                rule.get("protocol", "any"),
                rule.get("ports") or "all",
            ]
            for rule in policy.rules
        ],
    }
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _machines(api: Api) -> Iterator[Machine]:
    after = ""
    while True:
        page = api.call("GET", f"/machines{after}").body
        for each in page["machines"]:
            yield Machine(each["id"], IPv4Address(each["address"]), frozenset(each["groups"]))
        if page["next"] is None:
            return
        after = f"?after={quote(page['next'])}"


def _namespace(organization: str, run: Command) -> str:
    """Name of the organization's network namespace, which ends with its id."""
    listed: list[dict[str, Any]] = json.loads(run(["ip", "-json", "netns", "list"]) or "[]")
    found = [each["name"] for each in listed if each.get("name", "").endswith(organization)]
    if len(found) != 1:
        raise Unavailable(f"This host has {len(found)} namespaces of the organization {organization}.")
    return str(found[0])


def run_here(command: list[str]) -> str:
    """Run a program on this host.

    Raises:
        Unavailable: there is no such program, or it failed.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise Unavailable(f"{command[0]} can't be run: {error.strerror}.") from error
    if done.returncode != 0:
        raise Unavailable(f"{' '.join(command)} failed: {done.stderr.strip()}")
    return done.stdout
