"""Program that sends WireGuard handshake messages to a hub. It needs the standard library only, and no secret.

Initiations have a valid first MAC for the hub's key; responses are addressed to sessions.

The argument is a JSON object with ``hub`` (address and port), ``key`` (the hub's public key), ``sources`` (addresses
and ports of the host), ``sessions`` (indexes in hexadecimal), ``rate`` (messages per second), ``ready_after``
(messages) and ``seconds``. After that many messages the program prints `READY`, and at its end a JSON object:
``initiations`` and ``responses`` count the messages of each kind.

Source: https://www.wireguard.com/protocol/.
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

READY = "sending handshakes"
_INITIATION, _RESPONSE = b"\1\0\0\0", b"\2\0\0\0"
_MAC = 16


def initiation(key: str) -> bytes:
    """Returns a handshake initiation with a valid first MAC for this key; everything else is random."""
    covered = _INITIATION + os.urandom(112)
    secret = hashlib.blake2s(b"mac1----" + base64.b64decode(key)).digest()
    return covered + hashlib.blake2s(covered, digest_size=_MAC, key=secret).digest() + bytes(_MAC)


def response(session: bytes) -> bytes:
    """Returns a handshake response to this session; everything else is random."""
    return _RESPONSE + os.urandom(4) + session + os.urandom(80)


def main(options: dict[str, object]) -> None:
    """Sends messages until the time is over or SIGTERM arrives."""

    is_told = False

    # What was sent is counted, too: so nothing is broken off.
    def end(_number: int, _frame: FrameType | None) -> None:
        nonlocal is_told
        is_told = True

    signal.signal(signal.SIGTERM, end)
    address, port = list(options["hub"])  # type: ignore[call-overload]
    sockets = []
    for source in list(options["sources"]):  # type: ignore[call-overload]
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setblocking(False)
        made.bind(tuple(source))
        sockets.append(made)
    key, rate, ready_after = str(options["key"]), float(str(options["rate"])), int(str(options["ready_after"]))
    sessions = [bytes.fromhex(each) for each in list(options["sessions"])]  # type: ignore[call-overload]
    senders, numbers = itertools.cycle(sockets), itertools.cycle(sessions)
    began, sent, ready = time.monotonic(), Counter({"initiations": 0, "responses": 0}), False
    while not is_told and (now := time.monotonic() - began) < float(str(options["seconds"])):
        while not is_told and sent.total() < now * rate:
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
    print(json.dumps(dict(sent)), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
