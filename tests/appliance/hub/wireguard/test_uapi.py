"""Parsing of the answers of userspace implementations."""

from __future__ import annotations

import base64
import math
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance.hub.wireguard import uapi
from appliance.model.keys import new_key_pair
from tests.waiting import DEADLINE

LINK = "mwtest"
PEER = new_key_pair()
OWN = new_key_pair()


def hexadecimal(key: str) -> str:
    return base64.b64decode(key).hex()


@pytest.fixture
def answering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Gives the next question this answer."""
    monkeypatch.setattr(uapi, "FOLDER", tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(uapi.path_of(LINK)))
        listener.listen()
        listener.settimeout(DEADLINE)
        threads: list[threading.Thread] = []

        def answer(text: str) -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(text.encode())

        def start(text: str) -> None:
            threads.append(threading.Thread(target=answer, args=(text,), daemon=True))
            threads[-1].start()

        yield start
        for thread in threads:
            thread.join()


def test_wireguard_go_s_public_key_is_computed(answering: Callable[[str], None]) -> None:
    answering(
        f"private_key={hexadecimal(OWN.private)}\nlisten_port=51820\npublic_key={hexadecimal(PEER.public)}\n"
        "last_handshake_time_sec=1700000000\nlast_handshake_time_nsec=5\nerrno=0\n\n"
    )
    device = uapi.get_device(LINK)
    assert (device.public_key, device.listen_port) == (OWN.public, 51820)
    assert [peer.last_handshake for peer in device.peers] == [1700000000]


@pytest.mark.parametrize("age", [0, 100])
def test_boringtun_reports_the_age_of_a_handshake(answering: Callable[[str], None], age: int) -> None:
    answering(
        f"own_public_key={hexadecimal(OWN.public)}\nlisten_port=51820\npublic_key={hexadecimal(PEER.public)}\n"
        f"last_handshake_time_sec={age}\nlast_handshake_time_nsec=5\nrx_bytes=1\ntx_bytes=2\nerrno=0\n\n"
    )
    earliest = int(time.time()) - age
    device = uapi.get_device(LINK)
    latest = math.ceil(time.time()) - age
    assert device.public_key == OWN.public
    assert [earliest <= peer.last_handshake <= latest for peer in device.peers] == [True]


def test_a_peer_without_a_handshake_has_no_time(answering: Callable[[str], None]) -> None:
    answering(f"own_public_key={hexadecimal(OWN.public)}\npublic_key={hexadecimal(PEER.public)}\nerrno=0\n\n")
    assert [peer.last_handshake for peer in uapi.get_device(LINK).peers] == [0]


def test_a_link_without_a_private_key_has_no_public_key(answering: Callable[[str], None]) -> None:
    answering("errno=0\n\n")
    assert uapi.get_device(LINK).public_key == ""
