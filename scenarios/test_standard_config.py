"""The configuration is plain wg-quick in one exact format, and names in it are only comments."""

from __future__ import annotations

import base64
import configparser
import random
import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from typing import Any

import pytest

from harness.judging.record import Record
from harness.judging.verdicts import Refuted
from harness.overlay.machine import Machine
from harness.overlay.mesh import HANDSHAKE_DEADLINE, Mesh
from harness.wire import networkmanager
from harness.wire.networkmanager import NetworkManager
from harness.wire.noiseclient import ClientConfiguration, NoiseClient
from harness.world.world import World
from netlab import Host, NothingArrived, genkey, pubkey, wg_quick, wireguard_implementation
from netlab.wireguard import USERSPACE

pytestmark = pytest.mark.claim("standard-config")

EXACT = """\
# WireGuard config for machine "{machine}"
[Interface]
PrivateKey          = {private_key}
Address             = {address}/{prefix_length}
MTU                 = 1420

[Peer]
# MeshWG hub for "{organization}"
PublicKey           = {hub_public_key}
Endpoint            = {endpoint}
AllowedIPs          = {network}
PersistentKeepalive = 25
"""
DEFAULT = "10.100.0.0/16"
OTHERS = ("10.0.0.0/8", "172.20.16.0/20", "192.168.77.16/28", "100.64.0.0/10")
"""Ranges that an organization may choose."""
MTU, HEADERS = 1420, 28
"""Bytes of the largest packet, and of the headers of IPv4 and ICMP."""

HARMLESS = (
    'quote " and # and = and [Peer]',
    "मुंबई कार्यालय",
    "$(reboot) `reboot` ;reboot",
    "x" * 200,
    "  trimmed  ",
)
HARMFUL = (
    "line\nPostUp = reboot",
    "line\r\nEndpoint = 198.51.100.1:1",
    "next\u0085line",
    "line\u2028separator",
    "nul\x00byte",
)


def key_in(config: str) -> str:
    """Returns the private key of a configuration."""
    found = re.search(r"^PrivateKey          = (\S+)$", config, re.MULTILINE)
    if found is None:
        raise Refuted(f"the configuration has no private key where it should be: {config!r}")
    return found[1]


def expected(mesh: Mesh, name: str, address: str, private_key: str, network: str = DEFAULT) -> str:
    """Returns the configuration as it has to be, byte for byte."""
    return EXACT.format(
        machine=name.strip(),
        prefix_length=network.partition("/")[2],
        network=network,
        private_key=private_key,
        address=address,
        organization=mesh.organization["name"],
        hub_public_key=mesh.organization["hub_public_key"],
        endpoint=mesh.organization["endpoint"],
    )


def test_the_configuration_is_exact_and_wg_quick_accepts_it(world: World, record: Record) -> None:
    """The configuration has the published format, byte for byte; stock wg-quick brings it up unchanged, and the link
    has its values.
    """
    mesh = world.organization(record, "acme-networks")
    if not mesh.organization["endpoint"].startswith(f"{world.subject.endpoint_host}:"):
        raise Refuted(f"the endpoint is not the hub: {mesh.organization['endpoint']}")
    machines = []
    for name, address in (("branch-mumbai", "10.100.0.2"), ("branch-pune", "10.100.0.3")):
        added = mesh.add(name)
        config = added["config"]
        if config != expected(mesh, name, address, key_in(config)):
            raise Refuted(f"the configuration is not in the published format: {config!r}")
        if len(base64.b64decode(key_in(config), validate=True)) != 32:
            raise Refuted("the private key is not a WireGuard key")
        machines.append(mesh.bring_up(name, added))
    for machine in machines:
        (peer,) = machine.tunnel.peers()
        facts = (peer.public_key, peer.endpoint, tuple(peer.allowed_ips), peer.keepalive)
        endpoint = world.subject.peer_of(mesh.organization["endpoint"])
        wanted = (mesh.organization["hub_public_key"], endpoint, ("10.100.0.0/16",), 25)
        if facts != wanted:
            raise Refuted(f"the link's peer is {facts}, and {wanted} was expected")
    mumbai, _ = machines
    link = mumbai.host.run("ip", "-oneline", "link", "show", mumbai.tunnel.interface).stdout
    if " mtu 1420 " not in link:
        raise Refuted(f"the link's MTU is not 1420: {link}")
    record.measure("bytes of configuration", len(mumbai.config.encode()), "bytes")
    with record.control("the comparison notices one changed byte"):
        changed = mumbai.config.replace("MTU                 = 1420", "MTU                 = 1421")
        assert changed != expected(mesh, mumbai.name, "10.100.0.2", key_in(mumbai.config))


def test_a_configuration_has_its_organizations_own_range(world: World, record: Record) -> None:
    """An organization has chosen another range, and its configurations name that one: byte for byte, and as wg-quick
    brings it up. Packets as large as the link's MTU allows pass between its machines and the hub.
    """
    network = random.Random(f"range {world.seed}").choice(OTHERS)
    mesh = world.organization(record, network=network)
    machines = []
    for number, name in enumerate(("branch-mumbai", "branch-pune"), 2):
        added, address = mesh.add(name), str(IPv4Network(network)[number])
        config = added["config"]
        if config != expected(mesh, name, address, key_in(config), network):
            raise Refuted(f"the configuration in {network} is not in the published format: {config!r}")
        machines.append(mesh.bring_up(name, added))
    mumbai, pune = machines
    (peer,) = mumbai.tunnel.peers()
    if tuple(peer.allowed_ips) != (network,):
        raise Refuted(f"the link leads {peer.allowed_ips} to the hub, and not {network}")
    record.measure("range", network)
    with record.control("small packets pass"):
        assert mumbai.reaches(pune)
    for what, address in (("the other machine", pune.address), ("the hub", mesh.hub_address)):
        if not _passes(mumbai, address, MTU):
            raise Refuted(f"a packet of {MTU} bytes to {what} got no answer, and the MTU allows it")


def _passes(machine: Machine, address: str, size: int) -> bool:
    """Pings with packets of this size that must not be fragmented; returns True if one is answered."""
    command = ("ping", "-c", "5", "-i", "0.2", "-W", "2", "-M", "do", "-s", str(size - HEADERS), address)
    return machine.host.run(*command, check=False).returncode == 0


@pytest.mark.conditions(loss="none")
def test_other_clients_accept_the_configuration_unchanged(world: World, record: Record) -> None:
    """A client that shares no code with the others reads the text as an INI file and reaches its peer. `wg setconf`
    accepts what `wg-quick strip` leaves of it, and so do all implementations of WireGuard that are installed here, and
    NetworkManager if it is.
    """
    mesh = world.organization(record)
    (mate,) = mesh.machines("mate")
    added = mesh.add("other")
    try:
        ClientConfiguration.read(added["config"])
    except (configparser.Error, KeyError, ValueError) as error:
        raise Refuted(f"a client that reads INI files can't read the configuration: {error!r}") from error
    with NoiseClient(world.client("noise"), added["config"], world.subject.address) as client:
        try:
            client.shake_hands()
            for destination in (mesh.hub_address, mate.address):
                client.ping(destination)
        except NothingArrived as error:
            raise Refuted(f"a client that shares no code with the others had no answer: {error}") from error
    stripped = mate.host.run("wg-quick", "strip", str(mate.tunnel.path)).stdout
    mate.host.run("wg", "setconf", mate.tunnel.interface, "/dev/stdin", input=stripped)
    if not mate.host.ping(mesh.hub_address, timeout=HANDSHAKE_DEADLINE):
        raise Refuted("after `wg setconf` with its own configuration a machine does not reach its hub")
    accepted_by = ["a Noise library's", "wg setconf"]
    for name, program in USERSPACE.items():
        host = world.client(name)
        if host.which(program) is None:
            continue
        with wg_quick(host, added["config"], "mesh.conf", implementation=name):
            if not host.ping(mate.address, timeout=HANDSHAKE_DEADLINE):
                raise Refuted(f"{name} does not reach a mate with the configuration")
        accepted_by.append(name)
    if networkmanager.is_installed(host := world.client("networkmanager")):
        accepted_by += _accepted_by_networkmanager(host, mesh, added, mate)
    record.measure("clients that accepted it", accepted_by)


def _accepted_by_networkmanager(host: Host, mesh: Mesh, added: Mapping[str, Any], mate: Machine) -> Iterator[str]:
    with NetworkManager(host) as manager:
        found = manager.import_configuration("mesh", added["config"])
        peer = found[f"wireguard-peer.{mesh.organization['hub_public_key']}"]
        made = {
            "key": found["wireguard"]["private-key"],
            "MTU": found["wireguard"]["mtu"],
            "address": found["ipv4"]["address1"],
            "endpoint": peer["endpoint"],
            "ranges": peer["allowed-ips"].strip(";"),
            "keepalive": peer["persistent-keepalive"],
        }
        wanted = {
            "key": key_in(added["config"]),
            "MTU": "1420",
            "address": f"{added['machine']['address']}/16",
            "endpoint": mesh.organization["endpoint"],
            "ranges": "10.100.0.0/16",
            "keepalive": "25",
        }
        if made != wanted:
            raise Refuted(f"NetworkManager read {made} in the configuration, and {wanted} was expected")
        yield "NetworkManager's importer"
        if wireguard_implementation(host).startswith("kernel"):
            # NetworkManager only makes links of the kernel's implementation.
            manager.bring_up("mesh")
            if not host.ping(mate.address, timeout=HANDSHAKE_DEADLINE):
                raise Refuted("a machine that NetworkManager brought up does not reach its mate")
            yield "NetworkManager"


def test_a_name_changes_only_its_comment(world: World, record: Record) -> None:
    """Names with quotes, scripts and 200 characters change nothing but their comment; line breaks are refused."""
    mesh = world.organization(record, 'an "odd" organization # [Peer]')
    for name in HARMLESS:
        added = mesh.add(name)
        if added["config"] != expected(mesh, name, added["machine"]["address"], key_in(added["config"])):
            raise Refuted(f"the name {name!r} changed the configuration: {added['config']!r}")
        machine = mesh.bring_up(name, added)
        if not machine.host.ping(mesh.hub_address, timeout=5.0):
            raise Refuted(f"the machine called {name!r} does not reach its hub")
    record.measure("odd names that work", len(HARMLESS))

    before = mesh.listed()
    for name in HARMFUL:
        answer = mesh.api.send("POST", "/machines", {"name": name})
        if answer.status != 422:
            raise Refuted(f"the name {name!r} was answered {answer.status}: {answer.body!r}")
    if mesh.listed() != before:
        raise Refuted("a refused name left a machine behind")
    record.measure("names with a line break refused", len(HARMFUL))


@pytest.mark.conditions(loss="none")
def test_a_machine_may_keep_its_own_key(world: World, record: Record) -> None:
    """With a machine's own public key, the text has a placeholder, and works once the private key is put there."""
    mesh = world.organization(record)
    private = genkey()
    answer = mesh.api.call("POST", "/machines", {"name": "own-key", "public_key": pubkey(private)}).body
    if answer["machine"]["public_key"] != pubkey(private):
        raise Refuted("the service stored another key than it was given")
    placeholder = re.search(r"^PrivateKey          = (<.+>)$", answer["config"], re.MULTILINE)
    if placeholder is None:
        raise Refuted(f"there is no placeholder for the private key: {answer['config']!r}")
    host = world.client("own-key")
    tunnel = wg_quick(host, answer["config"].replace(placeholder[1], private), "mesh.conf")
    record.measure("handshake with its own key", tunnel.wait_for_handshake(10.0), "s")
    if not host.ping(mesh.hub_address, timeout=5.0):
        raise Refuted("a machine with its own key does not reach its hub")
