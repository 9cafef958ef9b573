"""Processes that are killed are gone when that is said, and so is what they held."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from unittest.mock import Mock

import pytest

from netlab import NothingArrived, kill
from tests.waiting import DEADLINE

# A parent, and a child in which the socket is open; large memory makes the end of a process take a while.
_LISTENS = """
import os, socket, sys
listener = socket.create_server(("127.0.0.1", 0))
pid = os.fork()
if not pid:
    held = bytearray(200_000_000)
    print(os.getpid(), listener.getsockname()[1], flush=True)
else:
    listener.close()
sys.stdin.read()
"""


def test_sockets_of_killed_processes_are_closed() -> None:
    program = [sys.executable, "-c", _LISTENS]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child, port = map(int, parent.stdout.readline().split())
        kill([parent.pid, child], DEADLINE)
        # Without SO_REUSEADDR's help for sockets that still listen.
        with socket.create_server(("127.0.0.1", port)):
            assert parent.wait(DEADLINE) == -signal.SIGKILL


def test_a_process_that_has_ended_is_skipped() -> None:
    ended = subprocess.Popen(["true"])
    ended.wait(DEADLINE)
    kill([ended.pid], DEADLINE)
    kill([], DEADLINE)


@pytest.mark.parametrize("timeout_s", [0.0, 0.05])
def test_what_does_not_end_is_named(timeout_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["sleep", "1000"]) as process:
        monkeypatch.setattr(signal, "pidfd_send_signal", Mock())
        with pytest.raises(NothingArrived, match=str(process.pid)):
            kill([process.pid], timeout_s)
        process.kill()
