"""The program that sends handshakes, against a UDP port of the test."""

from __future__ import annotations

import base64
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.hostile import front_door, handshakers, programs
from harness.judging.verdicts import Inconclusive
from harness.subject.leases import lease_in
from harness.wire import forgery
from harness.wire.forgery import MessageKind
from tests.harness.hostile.test_reads import Starter

KEY = base64.b64encode(bytes(range(32))).decode()
SESSIONS = [b"\1\2\3\4", b"\5\6\7\x08"]


@pytest.fixture
def hub() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**20)
        made.bind(("127.0.0.1", 0))
        made.setblocking(False)
        yield made


def heard(hub: socket.socket) -> Iterator[tuple[bytes, tuple[str, int]]]:
    try:
        while True:
            yield hub.recvfrom(2048)
    except BlockingIOError:
        return


def free_sources(count: int) -> list[front_door.Source]:
    made = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    for each in made:
        each.bind(("127.0.0.1", 0))
    found = [each.getsockname() for each in made]
    for each in made:
        each.close()
    return found


def test_an_initiation_has_a_valid_mac_for_the_hubs_key() -> None:
    made = handshakers.initiation(KEY)
    assert (len(made), forgery.kind(made)) == (148, MessageKind.INITIATION)
    assert forgery.for_hub(made, KEY) == made
    answer = handshakers.response(SESSIONS[0])
    assert (len(answer), forgery.kind(answer), forgery.receiver_index(answer)) == (
        92,
        MessageKind.RESPONSE,
        SESSIONS[0],
    )


def test_every_source_sends_initiations_and_responses(hub: socket.socket, tmp_path: Path) -> None:
    sources = free_sources(3)
    with front_door.flooding(
        Starter(tmp_path), hub.getsockname(), KEY, sources, sessions=SESSIONS, rate=2000, ready_after=60
    ) as messages:
        assert messages == front_door.MessagesSent()
    received = list(heard(hub))
    kinds = Counter((source, forgery.kind(message)) for message, source in received)
    assert set(kinds) == {
        (source, kind) for source in sources for kind in (MessageKind.INITIATION, MessageKind.RESPONSE)
    }
    assert min(kinds.values()) >= 10
    answered = {forgery.receiver_index(each) for each, _ in received if forgery.kind(each) is MessageKind.RESPONSE}
    assert answered == set(SESSIONS)
    assert (messages.initiations, messages.responses) == tuple(
        sum(count for (_, kind), count in kinds.items() if kind is wanted)
        for wanted in (MessageKind.INITIATION, MessageKind.RESPONSE)
    )


def test_a_program_that_cannot_send_is_inconclusive(
    hub: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "READY_S", 0.5)
    taken = hub.getsockname()
    with pytest.raises(Inconclusive), front_door.flooding(Starter(tmp_path), taken, KEY, [taken]):
        pass


def test_a_lease_is_read_from_a_set_s_listing() -> None:
    listed = "elements = { 0x0 timeout 3650d expires 3649d23h59m58s904ms : 0, 0x1020304 expires 3m12s56ms : 20000,\n"
    listed += "\t\t 0x5060708 timeout 15s expires 980ms : 20000 }"
    assert lease_in(listed, SESSIONS[0]) == pytest.approx(192.056)
    assert lease_in(listed, SESSIONS[1]) == pytest.approx(0.98)
    assert lease_in(listed, b"\1\2\3\5") is None
