"""Proofs of a front door in this sandbox, beside the ports of organizations' links."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import msgspec
import pytest

from harness.proof import Policy
from harness.proof.replay.capturing import Sight
from harness.world.doorproving import prove_front_door
from harness.world.organizations import Command, Organization, Unavailable
from harness.world.proving import ProofOptions
from reports.certificates import DoorCertificate
from tests.harness.proof.front_door.doors import LINKS, Doorway, doorways

pytestmark = pytest.mark.long

ACME = Organization("aaaaaaaaaa", "acme", 1, Policy(IPv4Network("10.100.0.0/24"), (), "deny", []), {})
BOLT = replace(ACME, id="bbbbbbbbbb", name="bolt")
LINK = {"ifname": "w0", "flags": ["UP"], "link_type": "none", "linkinfo": {"info_kind": "wireguard"}}
PORTS = dict(zip((ACME.id, BOLT.id), LINKS, strict=True))


@pytest.fixture(scope="module")
def doorway() -> Iterator[Doorway]:
    """The product's front door in a namespace."""
    with doorways() as made:
        made.load()
        yield made


def host_of(doorway: Doorway, ports: dict[str, int]) -> Command:
    """Runs programs in the namespace of a front door; links and their namespaces are told instead."""

    def run(command: list[str]) -> str:
        if command[:3] == ["ip", "-json", "netns"]:
            return msgspec.json.encode([{"name": f"mw{each}"} for each in ports]).decode()
        if command[-1] == "allowed-ips":
            return ""
        if command[-1] == "listen-port":
            return f"{ports[command[3].removeprefix('mw')]}\n"
        if command[2:3] == ["exec"]:
            return msgspec.json.encode([LINK]).decode()
        return doorway.run(*command)

    return run


def test_a_front_door_in_force_is_proven(doorway: Doorway) -> None:
    proven = prove_front_door([ACME, BOLT], host_of(doorway, PORTS), are_all=True)
    assert proven.wrong == ()
    certificate = proven.certificate
    assert certificate.holds
    assert certificate.links == len(LINKS)
    assert {"add element", "map", "goto", "hook output"} <= set(certificate.kinds)
    # The transcript's reader accepts it.
    assert msgspec.json.decode(msgspec.json.encode(certificate), type=DoorCertificate) == certificate


def test_real_datagrams_are_sent_if_asked_for(doorway: Doorway, tmp_path: Path) -> None:
    options = ProofOptions(captures=tmp_path, seed=1, control=True)
    proven = prove_front_door([ACME, BOLT], host_of(doorway, PORTS), are_all=True, options=options, most=40)
    assert proven.wrong == ()
    assert proven.compared is not None
    assert (proven.compared.chosen, proven.compared.wrong) == (40, [])
    assert proven.compared.agreed > 20
    assert proven.control is not None
    assert proven.control.wrong
    assert not proven.shown
    assert not list(tmp_path.iterdir())


def test_what_refutes_a_front_door_is_captured(doorway: Doorway, tmp_path: Path) -> None:
    doorway.load(("public counter name malformed drop", "public udp dport set 20000 accept"))
    proven = prove_front_door([ACME], host_of(doorway, PORTS), are_all=False, options=ProofOptions(captures=tmp_path))
    doorway.load()
    assert len(proven.shown) == len(proven.examples) > 0
    assert all(each.sight is Sight.AS_COMPUTED for each in proven.shown)
    assert sorted(tmp_path.iterdir()) == sorted(each.file for each in proven.shown if each.file)
    assert "; a real datagram in a copy of the front door " in proven.certificate.wrong[0]


def test_links_of_one_port_refute(doorway: Doorway) -> None:
    ports = dict.fromkeys(PORTS, LINKS[0])
    proven = prove_front_door([ACME, BOLT], host_of(doorway, ports), are_all=False)
    assert "the links of acme and bolt have one port" in proven.certificate.wrong[0]
    assert not proven.certificate.holds


def test_a_host_without_a_front_door_proves_nothing(doorway: Doorway) -> None:
    def run(command: list[str]) -> str:
        return '{"nftables": []}' if command[0] == "nft" else doorway.run(*command)

    with pytest.raises(Unavailable, match="0 front doors"):
        prove_front_door([ACME], run, are_all=False)
