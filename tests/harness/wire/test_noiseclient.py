"""The harness's own WireGuard client: its reading of a configuration, and its pings."""

from __future__ import annotations

import base64
import configparser
import socket
import struct
import threading
from collections.abc import Iterator, Sequence

import pytest
from noise.connection import Keypair, NoiseConnection
from scapy.layers.inet import ICMP, IP

from harness.wire.noiseclient import ClientConfiguration, NoiseClient
from netlab import Host, Lab, NothingArrived, genkey, pubkey
from tests.waiting import DEADLINE

TEXT = """\
# WireGuard config for machine "quote \" # [Peer]"
[Interface]
PrivateKey          = cHJpdmF0ZQ==
Address             = 10.100.0.2/16
MTU                 = 1420

[Peer]
# MeshWG hub for "acme"
PublicKey           = cHVibGlj
Endpoint            = [2001:db8::1]:51820
AllowedIPs          = 10.100.0.0/16
"""


def test_keys_address_and_port_are_read() -> None:
    assert ClientConfiguration.read(TEXT) == ClientConfiguration("cHJpdmF0ZQ==", "10.100.0.2", "cHVibGlj", 51820)


@pytest.mark.parametrize(
    ("line", "instead"), [("[Peer]\n", ""), ("PublicKey ", "# "), ("MTU ", "PostUp\n")], ids=["peer", "key", "ini"]
)
def test_a_missing_value_is_an_error(line: str, instead: str) -> None:
    with pytest.raises((KeyError, configparser.Error)):
        ClientConfiguration.read(TEXT.replace(f"\n{line}", f"\n{instead}"))


OWN, HUB, MATE = "10.100.0.2", "10.100.0.1", "10.100.0.3"


def reply(sender: str) -> bytes:
    return bytes(IP(src=sender, dst=OWN) / ICMP(type="echo-reply") / b"meshwg")


# A router's redirect (RFC 792, type 5).
REDIRECT = bytes(IP(src=HUB, dst=OWN) / ICMP(type="redirect", code=1, gw=MATE) / b"meshwg")


def serve(door: socket.socket, key: str, answers: Sequence[bytes]) -> None:
    """Answers one handshake, and the first data message with these packets."""
    noise = NoiseConnection.from_name(b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s")
    noise.set_as_responder()
    noise.set_prologue(b"WireGuard v1 zx2c4 Jason@zx2c4.com")
    noise.set_psks(psk=bytes(32))
    noise.set_keypair_from_private_bytes(Keypair.STATIC, base64.b64decode(key))
    noise.start_handshake()
    initiation, client = door.recvfrom(2048)
    noise.read_message(initiation[8:116])
    body = b"\x02\0\0\0" + b"hub!" + initiation[4:8] + bytes(noise.write_message(b""))
    door.sendto(body + bytes(32), client)
    door.recvfrom(2048)
    for number, packet in enumerate(answers):
        sealed = noise.encrypt(packet + bytes(-len(packet) % 16))
        door.sendto(b"\x04\0\0\0" + initiation[4:8] + struct.pack("<Q", number) + bytes(sealed), client)


@pytest.fixture
def host() -> Iterator[Host]:
    with Lab() as lab:
        yield lab.host("both")


@pytest.mark.parametrize(
    ("answers", "reached"),
    [
        ([reply(MATE)], True),
        ([b"", REDIRECT, reply(HUB), reply(MATE)], True),
        ([REDIRECT], False),
        ([reply(HUB)], False),
    ],
    ids=["alone", "after others", "none", "of another"],
)
def test_a_ping_waits_for_its_own_answer(host: Host, answers: Sequence[bytes], reached: bool) -> None:
    key = genkey()
    with host.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.bind(("127.0.0.1", 0))
        door.settimeout(DEADLINE)
        config = f"""
            [Interface]
            PrivateKey = {genkey()}
            Address = {OWN}/16
            [Peer]
            PublicKey = {pubkey(key)}
            Endpoint = 127.0.0.1:{door.getsockname()[1]}
        """
        hub = threading.Thread(target=serve, args=(door, key, answers))
        hub.start()
        with NoiseClient(host, config.replace("    ", ""), "127.0.0.1", timeout_s=DEADLINE) as client:
            client.shake_hands()
            if reached:
                client.ping(MATE)
            else:
                client.timeout_s = 0.3
                with pytest.raises(NothingArrived, match=MATE):
                    client.ping(MATE)
        hub.join()
