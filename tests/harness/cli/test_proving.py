"""``prove`` on a namespace of this sandbox, with a policy that an API tells of."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from appliance.model.desired import Desired
from appliance.model.policy import Action
from harness.cli.proving import Unavailable, prove_policy, run_here
from harness.client.api import Api
from netlab import sandbox
from tests.appliance.hub.ruled import Kernel
from tests.harness.proof.compiled import kernels, mixed, policy_of
from tests.waiting import DEADLINE

ORGANIZATION = "bbbbbbbbbb"


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    """A namespace whose name ends with the organization's id."""
    if not sandbox.inside():
        pytest.fail("tests of rules run in a sandbox: use `./meshwg test --only unit`")
    with kernels() as made:
        yield made


class Service:
    """A service that has one organization, and two machines on a page.

    Args:
        desired: what its policy and machines are.
        organization: id of the organization.
    """

    def __init__(self, desired: Desired, organization: str = ORGANIZATION) -> None:
        self._policy = policy_of(desired)
        self._organization = organization
        self.version = 7

    def api(self) -> Api:
        """A client of it."""
        return Api("https://hub.example.net", token="t", transport=httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1")
        if path == "/organization":
            return _json({"id": self._organization, "network": str(self._policy.network)})
        if path == "/policy":
            self.version += self.step
            return _json({"version": self.version, "default": self._policy.default, "rules": self._policy.rules})
        assert path == "/machines"
        machines = self._policy.machines
        first = int(request.url.params.get("after", 0))
        listed = [
            {"id": each.id, "address": str(each.address), "groups": sorted(each.groups)}
            for each in machines[first : first + 2]
        ]
        return _json({"machines": listed, "next": str(first + 2) if first + 2 < len(machines) else None})

    step = 0


def _json(content: object) -> httpx.Response:
    return httpx.Response(200, content=json.dumps(content), headers={"Content-Type": "application/json"})


def test_a_policy_in_force_is_proven(kernel: Kernel) -> None:
    kernel.load(mixed())
    proven = prove_policy(Service(mixed()).api(), run_here)
    assert proven.proof.holds
    assert proven.version == 7
    assert proven.namespace == kernel.wire.names.namespace


def test_another_policy_is_refuted(kernel: Kernel) -> None:
    kernel.load(mixed())
    proven = prove_policy(Service(mixed(Action.ALLOW)).api(), run_here)
    assert proven.proof.counterexamples
    assert proven.policy != prove_policy(Service(mixed()).api(), run_here).policy


def test_a_policy_that_changes_meanwhile_is_not_proven(kernel: Kernel) -> None:
    kernel.load(mixed())
    service = Service(mixed())
    service.step = 1
    with pytest.raises(Unavailable, match="changed"):
        prove_policy(service.api(), run_here)


def test_an_organization_of_another_host() -> None:
    with pytest.raises(Unavailable, match="0 namespaces"):
        prove_policy(Service(mixed(), "cccccccccc").api(), run_here)


def test_a_program_that_fails() -> None:
    with pytest.raises(Unavailable, match="nowhere"):
        run_here(["ip", "netns", "exec", "nowhere", "true"])
    with pytest.raises(Unavailable, match="can't be run"):
        run_here(["/no/such/program"])


def told(*options: str) -> tuple[int, str]:
    """Exit code and standard error of the command."""
    command = [sys.executable, "-m", "appliance", "prove", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE)
    assert done.stdout == ""
    return done.returncode, done.stderr


def test_the_command_refuses_in_one_sentence(tmp_path: Path) -> None:
    token = tmp_path / "token"
    assert told("--token-file", str(token)) == (66, f"meshwg: {token} can't be read: No such file or directory.\n")
    token.write_text("mwt_x\n")
    code, said = told("--token-file", str(token), "--target", "nowhere")
    assert (code, said.count("\n")) == (64, 1)
    with closing(socket.socket()) as taken:
        # Nobody listens there.
        taken.bind(("127.0.0.1", 0))
        code, said = told("--token-file", str(token), "--target", f"https://127.0.0.1:{taken.getsockname()[1]}")
    assert (code, said) == (69, "meshwg: Nothing was proven: [Errno 111] Connection refused\n")
