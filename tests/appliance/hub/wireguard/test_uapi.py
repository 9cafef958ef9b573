"""Parsing of the answers of userspace implementations."""

from __future__ import annotations

import base64
import math
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain, repeat
from pathlib import Path

import pytest

from appliance.hub.errors import LinkError
from appliance.hub.names import KernelNames
from appliance.hub.wireguard import uapi
from appliance.hub.wireguard.boringtun import PROGRAM, Boringtun
from appliance.model.keys import new_key_pair
from tests.waiting import DEADLINE

LINK = "mwtest"
PEER = new_key_pair()
OWN = new_key_pair()
MACHINE = f"public_key={1:064x}"


def hexadecimal(key: str) -> str:
    return base64.b64decode(key).hex()


@pytest.fixture
def answering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Gives the next question this answer, in these pieces, until the hub wants no more of it."""
    monkeypatch.setattr(uapi, "FOLDER", tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(uapi.path_of(LINK)))
        listener.listen()
        listener.settimeout(DEADLINE)
        threads: list[threading.Thread] = []

        def answer(pieces: Iterable[str]) -> None:
            connection, _ = listener.accept()
            # Of a socket that was closed before all was read from it, the kernel tells either of two errors.
            with connection, suppress(BrokenPipeError, ConnectionResetError):
                connection.recv(65536)
                for piece in pieces:
                    connection.sendall(piece.encode("latin-1"))

        def start(*pieces: str, then: Iterable[str] = ()) -> None:
            threads.append(threading.Thread(target=answer, args=(chain(pieces, then),), daemon=True))
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


def drips(count: int) -> Iterator[str]:
    """Gives a character ten times a second."""
    for _ in range(count):
        time.sleep(0.1)
        yield "a"


def test_an_answer_in_drips_is_given_up(answering: Callable[..., None]) -> None:
    answering(then=drips(40))
    began = time.monotonic()
    with pytest.raises(LinkError, match="timed out"):
        uapi.get_device(LINK)
    assert time.monotonic() - began < 3


def test_an_endless_answer_is_given_up(answering: Callable[..., None]) -> None:
    answering(then=repeat("a=b\n" * 2**14, 2**10))
    with pytest.raises(LinkError, match="too long"):
        uapi.get_device(LINK)


def test_an_answer_of_many_machines_is_taken(answering: Callable[..., None]) -> None:
    machines = (
        f"public_key={number:064x}\npreshared_key={0:064x}\nallowed_ip=10.0.0.1/32\n" for number in range(10_000)
    )
    answering("".join(machines), "errno=0\n", "\n")
    assert len(uapi.get_device(LINK).peers) == 10_000


@pytest.mark.parametrize("answer", ["", "errno=0\n", f"{MACHINE}\n"])
def test_half_an_answer_is_none(answering: Callable[..., None], answer: str) -> None:
    """Answers like a process that ends meanwhile: the change may not be in force."""
    answering(answer)
    with pytest.raises(LinkError, match="ended"):
        uapi.set_device(LINK, ())


@pytest.mark.parametrize(
    "answer",
    [
        "allowed_ip=10.0.0.1/32\n",
        "public_key=abc\n",
        "public_key=abcd\n",
        "private_key=abcd\n",
        "listen_port=x\n",
        "listen_port=\xff\n",
        "errno=x\n",
        *(
            f"{MACHINE}\n{line}\n"
            for line in (
                "allowed_ip=x",
                "allowed_ip=10.0.0.1",
                "allowed_ip=10.0.0.1/33",
                "allowed_ip=10.0.0/24",
                "allowed_ip=::/129",
                "rx_bytes=x",
                "tx_bytes=-1",
                f"rx_bytes={2**64}",
                f"last_handshake_time_sec={10**400}",
            )
        ),
    ],
)
def test_an_answer_of_no_sense_is_an_error(answering: Callable[..., None], answer: str) -> None:
    answering(f"{answer}\n")
    with pytest.raises(LinkError, match="makes no sense"):
        uapi.get_device(LINK)


def test_a_refusal_of_no_sense_is_an_error(answering: Callable[..., None]) -> None:
    answering("errno=x\n\n")
    with pytest.raises(LinkError, match="makes no sense"):
        uapi.set_device(LINK, ())


@pytest.mark.skipif(shutil.which(PROGRAM.executable) is None, reason="this host has no boringtun")
@pytest.mark.parametrize("ranges", [(), ("10.0.0.1/32", "10.0.0.2/32"), ("2001:db8::1/128",), ("10.0.0.1/8",)])
def test_a_machine_of_boringtun_s_has_one_range(answering: Callable[..., None], ranges: tuple[str, ...]) -> None:
    lines = (MACHINE, "rx_bytes=1", *(f"allowed_ip={each}" for each in ranges), "errno=0")
    answering("".join(f"{line}\n" for line in lines), "\n")
    with pytest.raises(LinkError, match="no range of its own"):
        Boringtun().call(KernelNames(LINK, LINK))


@pytest.mark.parametrize(
    ("where", "taken"),
    [
        *((each, True) for each in ("192.0.2.1:0", "192.0.2.1:65535", "[2001:db8::1]:1", "[fe80::1%eth0]:1")),
        *((each, False) for each in ("x:1", "192.0.2.1", "192.0.2.1:65536", "2001:db8::1:1", "[192.0.2.1]:1", ":1")),
        (f"[fe80::1%{'x' * 100}]:1", False),
    ],
)
def test_what_is_no_endpoint_is_left_out(answering: Callable[..., None], where: str, taken: bool) -> None:
    """The front door's repair depends on the endpoints of all organizations."""
    answering(f"{MACHINE}\nendpoint={where}\nerrno=0\n\n")
    assert [peer.endpoint for peer in uapi.get_device(LINK).peers] == [where if taken else ""]
