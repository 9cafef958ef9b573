"""Proofs of a namespace in this sandbox, with a policy that a service returns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import httpx
import msgspec
import pytest

from appliance.model.desired import Desired
from appliance.model.policy import Action
from harness.client.api import Api
from harness.proof import Ways, strays
from harness.proof.replay.capturing import Sight
from harness.world.organizations import Command, Unavailable, of_token
from harness.world.proving import Failure, ProofOptions, prove_policies, prove_policy, run_here
from reports.certificates import Certificate
from tests.appliance.hub.ruled import Kernel
from tests.harness.proof.compiled import kernels, mixed, policy_of

ORGANIZATION = "bbbbbbbbbb"
_KEYS = {IPv4Address("10.100.0.2"): "first", IPv4Address("10.100.0.3"): "second"}
_LINK = {"first": ("10.100.0.2/32",), "second": ("10.100.0.3/32",)}


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    """Makes a namespace whose name ends with the organization's id."""
    with kernels() as made:
        yield made


def with_peers(desired: Desired) -> Command:
    """Runs programs here, except wg(8): the namespace's link is a TUN of the test, so its peers are invented."""
    peers = "".join(f"{each.public_key}\t{each.address}/32\n" for each in desired.peers)
    return lambda command: peers if "wg" in command else run_here(command)


class Service:
    """A service that has one organization, a disabled machine, and two machines on a page.

    Args:
        desired: what its policy and machines are.
        organization: id of the organization.
    """

    def __init__(self, desired: Desired, organization: str = ORGANIZATION) -> None:
        self._policy = policy_of(desired)
        self._organization = organization
        self._machines = [
            {
                "id": each.id,
                "address": str(each.address),
                "groups": sorted(each.groups),
                "public_key": each.public_key,
                "enabled": True,
            }
            for each in desired.peers
        ]
        disabled = {"id": "off", "address": "10.100.0.99", "groups": ["blue"], "public_key": "off", "enabled": False}
        self._machines.append(disabled)
        self.version = 7

    def api(self) -> Api:
        """Makes a client of it."""
        return Api("https://hub.example.net", token="t", transport=httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1")
        if path == "/organization":
            network = str(self._policy.network)
            return _json({"id": self._organization, "name": "acme", "network": network})
        if path == "/policy":
            self.version += self.step
            return _json({"version": self.version, "default": self._policy.default, "rules": self._policy.rules})
        assert path == "/machines"
        first = int(request.url.params.get("after", 0))
        listed = self._machines[first : first + 2]
        return _json({"machines": listed, "next": str(first + 2) if first + 2 < len(self._machines) else None})

    step = 0


def _json(content: object) -> httpx.Response:
    return httpx.Response(200, content=json.dumps(content), headers={"Content-Type": "application/json"})


def test_a_policy_in_force_is_proven(kernel: Kernel) -> None:
    kernel.load(mixed())
    api = Service(mixed()).api()
    proven = prove_policy(lambda: of_token(api), with_peers(mixed()))
    assert proven.proof.holds
    assert proven.organization.version == 7
    assert proven.namespace == kernel.wire.names.namespace
    certificate = proven.certificate
    assert certificate.holds
    assert (certificate.machines, certificate.rules) == (len(mixed().peers), len(mixed().policy.rules))
    assert {"ct state", "jump", "map", "hook prerouting"} <= set(certificate.kinds)
    # The transcript's reader accepts it.
    assert msgspec.json.decode(msgspec.json.encode(certificate), type=Certificate) == certificate


def test_another_policy_is_refuted(kernel: Kernel) -> None:
    kernel.load(mixed())
    good, bad = Service(mixed()).api(), Service(mixed(Action.ALLOW)).api()
    proven = prove_policy(lambda: of_token(bad), with_peers(mixed()))
    assert proven.proof.counterexamples
    assert not proven.certificate.holds
    assert "dropped, not forwarded: the policy allows it" in proven.certificate.wrong[0]
    assert proven.certificate.policy != prove_policy(lambda: of_token(good), with_peers(mixed())).certificate.policy


def test_what_refutes_a_policy_is_captured(kernel: Kernel, tmp_path: Path) -> None:
    kernel.load(mixed())
    bad = Service(mixed(Action.ALLOW)).api()
    options = ProofOptions(captures=tmp_path)
    proven = prove_policy(lambda: of_token(bad), with_peers(mixed()), options)
    assert len(proven.shown) == len(proven.proof.counterexamples)
    assert all(each.sight is Sight.AS_COMPUTED for each in proven.shown)
    assert sorted(tmp_path.iterdir()) == sorted(each.file for each in proven.shown if each.file)
    assert proven.certificate.wrong[0].endswith("; a real packet in a copy of the namespace is dropped")


@pytest.mark.long
def test_packets_are_sent_if_asked_for(kernel: Kernel, tmp_path: Path) -> None:
    empty = replace(mixed(), policy=replace(mixed().policy, rules=()))
    kernel.load(empty)
    good = Service(empty).api()
    proven = prove_policy(lambda: of_token(good), with_peers(empty), ProofOptions(captures=tmp_path, seed=1))
    assert proven.proof.holds
    assert proven.compared is not None
    assert proven.compared.agreed > 0
    assert not proven.compared.wrong
    assert not proven.shown
    assert not list(tmp_path.iterdir())


def test_a_peer_that_is_no_machine_refutes(kernel: Kernel) -> None:
    kernel.load(mixed())
    api = Service(mixed()).api()
    honest = with_peers(mixed())
    proven = prove_policy(
        lambda: of_token(api), lambda command: honest(command) + "x\t10.100.0.66/32\n" * ("wg" in command)
    )
    assert proven.proof.holds
    assert not proven.certificate.holds
    assert "has the peer x, which is no machine" in proven.certificate.wrong[0]


def test_a_policy_that_changes_meanwhile_is_not_proven(kernel: Kernel) -> None:
    kernel.load(mixed())
    service = Service(mixed())
    service.step = 1
    api = service.api()
    with pytest.raises(Unavailable, match="changed"):
        prove_policy(lambda: of_token(api), with_peers(mixed()))


def test_a_failed_organization_leaves_the_others_proven(kernel: Kernel) -> None:
    kernel.load(mixed())
    apis = [Service(mixed(), each).api() for each in ("cccccccccc", ORGANIZATION)]
    missing, proven = prove_policies(lambda: list(map(of_token, apis)), with_peers(mixed()))
    assert isinstance(missing, Failure)
    assert "0 namespaces" in missing.reason
    assert not isinstance(proven, Failure)


@pytest.mark.parametrize(
    ("ways", "said"),
    [
        (Ways({"w0": _LINK}), []),
        (Ways({"w0": _LINK}, ("out (veth)",)), ["the link out (veth) leads elsewhere"]),
        (Ways({"w0": _LINK, "w1": _LINK}), ["there are 2 WireGuard links"]),
        (Ways({}), ["there are 0 WireGuard links"]),
        (Ways({"w0": {"first": ("10.100.0.2/32",)}}), ["w0 has no peer for the machine of 10.100.0.3/32"]),
        (
            Ways({"w0": {**_LINK, "second": ("10.100.0.0/24",)}}),
            ["w0 lets the machine of 10.100.0.3/32 send from 10.100.0.0/24"],
        ),
        (Ways({"w0": {**_LINK, "third": ("10.100.0.4/32",)}}), ["w0 has the peer third, which is no machine"]),
    ],
)
def test_routes_and_peers_of_no_machine_are_refuted(ways: Ways, said: list[str]) -> None:
    assert list(strays(ways, _KEYS)) == said


def test_a_failed_program_is_inconclusive() -> None:
    with pytest.raises(Unavailable, match="nowhere"):
        run_here(["ip", "netns", "exec", "nowhere", "true"])
    with pytest.raises(Unavailable, match="can't be run"):
        run_here(["/no/such/program"])
