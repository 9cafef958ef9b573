from __future__ import annotations

import pytest
from scapy.layers.inet import IP

from netlab import (
    Capture,
    CommandFailed,
    InvalidName,
    NothingArrived,
    Unsupported,
    genkey,
    pubkey,
    wg_quick,
    wireguard_implementation,
)
from netlab.topologies import Pair
from netlab.wireguard import parse_dump
from tests.waiting import DEADLINE


def config(private: str, address: str, peer: str, endpoint: str) -> str:
    return f"""# WireGuard config for machine "a ünusual name"
[Interface]
PrivateKey          = {private}
Address             = {address}
ListenPort          = 51820
MTU                 = 1420

[Peer]
PublicKey           = {peer}
Endpoint            = {endpoint}
AllowedIPs          = 10.100.0.0/16
PersistentKeepalive = 25
"""


def test_tunnels_of_one_name_do_not_collide(pair: Pair) -> None:
    pair.lab.name("pune.example.net", "192.0.2.12")
    first, second = genkey(), genkey()
    text = config(first, "10.100.0.1/16", pubkey(second), "pune.example.net:51820")
    tunnel = wg_quick(pair.mumbai, text, "wg0.conf")
    other = wg_quick(pair.pune, config(second, "10.100.0.2/16", pubkey(first), "192.0.2.11:51820"), "wg0.conf")
    assert pair.mumbai.read(tunnel.path) == text.encode()
    assert pair.mumbai.run("stat", "--format=%a", tunnel.path).stdout == "600\n"
    assert pair.mumbai.ping("10.100.0.2", timeout=DEADLINE)
    assert tunnel.wait_for_handshake(DEADLINE) >= 0
    assert other.wait_for_handshake(5.0, pubkey(first)) >= 0
    (peer,) = tunnel.peers()
    assert (peer.public_key, peer.endpoint, peer.allowed_ips, peer.keepalive) == (
        pubkey(second),
        "192.0.2.12:51820",
        ("10.100.0.0/16",),
        25,
    )
    assert min(peer.rx_bytes, peer.tx_bytes, peer.latest_handshake) > 0
    with Capture(pair.mumbai, "wg0", "icmp") as capture:
        for _ in range(2):
            pair.mumbai.ping("10.100.0.2", timeout=DEADLINE)
    assert [packet[IP].src for packet in capture.packets()] == ["10.100.0.1", "10.100.0.2"] * 2
    tunnel.down()
    tunnel.down()
    assert not pair.pune.ping("10.100.0.1", timeout=0.1)
    with wg_quick(pair.mumbai, text, "wg0.conf") as again, pytest.raises(NothingArrived):
        again.wait_for_handshake(0.0, pubkey(genkey()))


def test_an_implementation_can_be_chosen_or_is_unsupported(pair: Pair) -> None:
    text = config(genkey(), "10.100.0.1/16", pubkey(genkey()), "192.0.2.12:51820")
    worked = []
    for implementation in ("kernel", "wireguard-go", "boringtun"):
        try:
            with wg_quick(pair.mumbai, text, implementation=implementation) as tunnel:
                assert tunnel.interface == "wg-mesh"
                worked.append(implementation)
        except Unsupported:
            pass
    assert wireguard_implementation(pair.mumbai).split()[0] in worked
    with pytest.raises(ValueError, match="implementation"):
        wg_quick(pair.mumbai, text, implementation="ipsec")


@pytest.mark.parametrize("name", ["sixteen-letters-.conf", "a b.conf", "../x.conf", "wg0", ".conf", "wg0.conf\n"])
def test_a_name_that_wg_quick_refuses_is_refused(pair: Pair, name: str) -> None:
    with pytest.raises(InvalidName):
        wg_quick(pair.mumbai, "", name)


def test_a_bad_configuration_raises_wg_quick_s_message(pair: Pair) -> None:
    with pytest.raises(CommandFailed, match="Line unrecognized"):
        wg_quick(pair.mumbai, "[Interface]\nNonsense = 1\n")
    assert "wg-mesh" not in pair.mumbai.run("ip", "link").stdout


def test_keys_match_those_of_wg(pair: Pair) -> None:
    private = genkey()
    assert pair.mumbai.run("wg", "pubkey", input=private).stdout.strip() == pubkey(private)
    with pytest.raises(ValueError, match="32"):
        pubkey("AAAA")


def test_a_dump_without_endpoint_and_handshake_is_read() -> None:
    (peer,) = parse_dump("private\tpublic\t51820\toff\nkey\t(none)\t(none)\t(none)\t0\t0\t0\toff\n")
    assert (peer.endpoint, peer.allowed_ips, peer.latest_handshake, peer.keepalive) == (None, (), 0, 0)
