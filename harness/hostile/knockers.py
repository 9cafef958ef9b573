"""Knocks at a hub's UDP port: first messages of handshakes that fit a hub's key, and answers to sessions.

A program for a host of a lab; it needs the standard library only. Its argument is a JSON object with ``hub`` (address
and port), ``key`` (the hub's public key), ``sources`` (addresses and ports of the host), ``sessions`` (numbers, in
hexadecimal), ``rate`` (messages per second), ``ready_after`` (messages) and ``seconds``. After so many messages it
prints `READY`, and at the end a JSON object: ``initiations`` and ``responses``, how many it has sent of each.

It takes no secret. WireGuard's messages: https://www.wireguard.com/protocol/.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import os
import signal
import socket
import sys
import time
from collections import Counter
from types import FrameType

READY = "knocking"
_INITIATION, _RESPONSE = b"\1\0\0\0", b"\2\0\0\0"
_MAC = 16


def initiation(key: str) -> bytes:
    """A first message with the first MAC that the owner of this key asks for, and everything else at random."""
    covered = _INITIATION + os.urandom(112)
    secret = hashlib.blake2s(b"mac1----" + base64.b64decode(key)).digest()
    return covered + hashlib.blake2s(covered, digest_size=_MAC, key=secret).digest() + bytes(_MAC)


def response(session: bytes) -> bytes:
    """An answer for this session, with everything else at random."""
    return _RESPONSE + os.urandom(4) + session + os.urandom(80)


def main(wish: dict[str, object]) -> None:
    """Knocks until the time is over, or somebody ends it with SIGTERM."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    address, port = list(wish["hub"])  # type: ignore[call-overload]
    sockets = []
    for source in list(wish["sources"]):  # type: ignore[call-overload]
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setblocking(False)
        made.bind(tuple(source))
        sockets.append(made)
    key, rate, ready_after = str(wish["key"]), float(str(wish["rate"])), int(str(wish["ready_after"]))
    sessions = [bytes.fromhex(each) for each in list(wish["sessions"])]  # type: ignore[call-overload]
    senders, numbers = itertools.cycle(sockets), itertools.cycle(sessions)
    began, sent, ready = time.monotonic(), Counter({"initiations": 0, "responses": 0}), False
    try:
        while (now := time.monotonic() - began) < float(str(wish["seconds"])):
            while sent.total() < now * rate:
                sender = next(senders)
                sender.sendto(initiation(key), (str(address), int(port)))
                sent["initiations"] += 1
                if sessions:
                    sender.sendto(response(next(numbers)), (str(address), int(port)))
                    sent["responses"] += 1
                if not ready and sent.total() >= ready_after:
                    ready = True
                    print(READY, flush=True)
            time.sleep(0.002)
    except KeyboardInterrupt:
        pass
    print(json.dumps(dict(sent)), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
