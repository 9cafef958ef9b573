"""A WireGuard client that shares no code with any other, for configurations that every implementation has to accept.

Handshake and ciphers are a Noise library's. The messages are written from the WireGuard paper, section 5.4, and from
https://www.wireguard.com/protocol/. The client does nothing by itself: no cookies, no rekeying, no roaming.
"""

from __future__ import annotations

import base64
import configparser
import copy
import os
import socket
import struct
import time
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

from noise.connection import Keypair, NoiseConnection
from scapy.layers.inet import ICMP, IP

from harness.wire import forgery, raw
from harness.wire.forgery import MessageKind
from netlab import Host, NothingArrived

_NAME = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"
_PROLOGUE = b"WireGuard v1 zx2c4 Jason@zx2c4.com"
_TAI64_EPOCH = 2**62 + 10
_BLOCK = 16


@dataclass(frozen=True)
class ClientConfiguration:
    """Values of a wg-quick configuration, read as an INI file.

    Attributes:
        private_key: private key in base64.
        address: overlay address without prefix length.
        hub_public_key: public key of the hub in base64.
        port: port of the endpoint.
    """

    private_key: str
    address: str
    hub_public_key: str
    port: int

    @classmethod
    def read(cls, text: str) -> ClientConfiguration:
        """Parses the text of a wg-quick configuration.

        Raises:
            configparser.Error: the text is no INI file.
            KeyError: a value is missing.
            ValueError: the port is no number.
        """
        parser = configparser.ConfigParser(interpolation=None)
        parser.read_string(text)
        interface, peer = parser["Interface"], parser["Peer"]
        address, port = interface["Address"].partition("/")[0], int(peer["Endpoint"].rpartition(":")[2])
        return cls(interface["PrivateKey"], address, peer["PublicKey"], port)


class NoiseClient:
    """A tunnel that is open while its ``with`` block runs.

    Args:
        host: host on which it runs.
        configuration: text of a wg-quick configuration.
        hub_address: underlay address of the hub.
        timeout_s: seconds to wait for an answer.
        source: address and port to send from; ``("", 0)`` for any.

    Attributes:
        timeout_s: seconds to wait for the next answers.
    """

    def __init__(
        self,
        host: Host,
        configuration: str,
        hub_address: str,
        timeout_s: float = 5.0,
        *,
        source: tuple[str, int] = ("", 0),
    ) -> None:
        self.configuration = ClientConfiguration.read(configuration)
        self.timeout_s = timeout_s
        self._begin()
        family = socket.AF_INET6 if ":" in hub_address else socket.AF_INET
        self._socket = host.socket(family, socket.SOCK_DGRAM)
        self._socket.bind(source)
        self._socket.connect((hub_address, self.configuration.port))

    def __enter__(self) -> NoiseClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def beside(self, configuration: str | None = None) -> NoiseClient:
        """Makes a client of another session on the same socket, which closes with this one.

        Args:
            configuration: text of its wg-quick configuration; None for the same, as for a handshake that is renewed.
        """
        made = copy.copy(self)
        if configuration is not None:
            made.configuration = ClientConfiguration.read(configuration)
        made._begin()  # noqa: SLF001 - of this class
        return made

    def _begin(self) -> None:
        self._noise = NoiseConnection.from_name(_NAME)
        self._index, self._hub_index, self._sent = os.urandom(4), b"", 0

    @property
    def hub_index(self) -> bytes:
        """Index that the hub gave to the session; empty before `shake_hands`."""
        return self._hub_index

    def shake_hands(self) -> None:
        """Completes a handshake.

        Raises:
            NothingArrived: the hub did not answer.
        """
        noise, keys = self._noise, self.configuration
        noise.set_as_initiator()
        noise.set_prologue(_PROLOGUE)
        noise.set_psks(psk=bytes(32))
        noise.set_keypair_from_private_bytes(Keypair.STATIC, base64.b64decode(keys.private_key))
        noise.set_keypair_from_public_bytes(Keypair.REMOTE_STATIC, base64.b64decode(keys.hub_public_key))
        noise.start_handshake()
        seconds, nanoseconds = divmod(time.time_ns(), 10**9)
        timestamp = struct.pack("!QI", _TAI64_EPOCH + seconds, nanoseconds)
        body = _head(MessageKind.INITIATION) + self._index + bytes(noise.write_message(timestamp))
        self._socket.send(forgery.for_hub(body + bytes(32), keys.hub_public_key))
        response = self._receive(MessageKind.RESPONSE)
        self._hub_index = response[4:8]
        noise.read_message(response[12:60])

    def send(self, packet: bytes) -> None:
        """Sends an IP packet through the tunnel."""
        padded = packet + bytes(-len(packet) % _BLOCK)
        counter = struct.pack("<Q", self._sent)
        self._sent += 1
        self._socket.send(_head(MessageKind.DATA) + self._hub_index + counter + bytes(self._noise.encrypt(padded)))

    def ping(self, destination: str, *, answered_in: NoiseClient | None = None) -> None:
        """Pings an address and waits for its answer; ignores other packets, such as a router's redirect (RFC 792).

        Args:
            answered_in: session on the same socket in which the answer comes, since a hub answers in its newest;
                None for this one.

        Raises:
            NothingArrived: the address did not answer.
        """
        self.send(bytes(IP(src=self.configuration.address, dst=destination) / ICMP() / b"meshwg"))
        deadline = time.monotonic() + self.timeout_s
        with suppress(NothingArrived):
            while time.monotonic() < deadline:
                answer = (answered_in or self).receive()
                if raw.is_echo_reply(answer) and IP(answer).src == destination:
                    return
        raise NothingArrived(f"answer of {destination} to a ping", self.timeout_s)

    def receive(self) -> bytes:
        """Returns the next IP packet from the tunnel, with its padding.

        Raises:
            NothingArrived: no packet arrived.
        """
        while True:
            message = self._receive(MessageKind.DATA)
            (counter,) = struct.unpack("<Q", message[8:16])
            self._noise.noise_protocol.cipher_state_decrypt.n = counter
            if packet := bytes(self._noise.decrypt(message[16:])):
                return packet
            # An empty message is a keepalive.

    def _receive(self, wanted: MessageKind) -> bytes:
        deadline = time.monotonic() + self.timeout_s
        self._socket.settimeout(self.timeout_s)
        while time.monotonic() < deadline:
            try:
                message = self._socket.recv(65536)
            except TimeoutError:
                break
            if forgery.kind(message) is wanted and forgery.receiver_index(message) == self._index:
                return message
        raise NothingArrived(f"{wanted.name.lower()} of the hub", self.timeout_s)


def _head(kind: MessageKind) -> bytes:
    return bytes([kind, 0, 0, 0])
