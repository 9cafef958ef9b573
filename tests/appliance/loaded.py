"""A program that has loaded the appliance, and forks each command that it is asked for.

Loading takes longer than most commands work, and a test of what a command does gains nothing from doing it again.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

# Imported for the processes that are forked later.
import alembic.command  # noqa: F401
import granian.wsgi  # noqa: F401
import pydantic.type_adapter
import pydantic.types  # noqa: F401
import sqlalchemy.dialects.postgresql.psycopg
import sqlalchemy.dialects.sqlite  # noqa: F401
from argon2 import PasswordHasher

import harness.cli.commands.prove
import harness.proof.bitvectors.question  # noqa: F401
from appliance import __main__ as program
from appliance.cli import backup, deletions, operations, restoring, rotation, status  # noqa: F401
from appliance.service import passwords
from appliance.vault import Vault, WorkFactor
from harness.sabotage import children, rehearsal
from harness.sabotage.parts import replace_part
from netlab import forkable, forked

LARGEST_REQUEST = 2**17
"""Bytes of a request at most."""
_CHEAP = WorkFactor(2**4, 8, 1)


def serve(line: socket.socket) -> None:
    """Fork a process for each request, until the other side closes.

    A request is JSON with ``arguments``, ``environment`` and ``folder``, and four descriptors: the three standard
    streams of the process, and a pipe that its id is written to when it has begun and its exit code when it has ended.
    """
    running: dict[int, tuple[subprocess.Popen[bytes], int]] = {}
    poll = select.poll()
    poll.register(line, select.POLLIN)
    while True:
        for descriptor, _ in poll.poll():
            if descriptor != line.fileno():
                process, told = running.pop(descriptor)
                poll.unregister(descriptor)
                os.close(descriptor)
                _tell(told, process.wait())
                os.close(told)
                continue
            text, passed, _, _ = socket.recv_fds(line, LARGEST_REQUEST, 4)
            if not text:
                return
            process = _forked(json.loads(text), passed[:3])
            for each in passed[:3]:
                os.close(each)
            _tell(passed[3], process.pid)
            watched = os.pidfd_open(process.pid)
            running[watched] = process, passed[3]
            poll.register(watched, select.POLLIN)


def _tell(pipe: int, number: int) -> None:
    try:
        os.write(pipe, b"%d\n" % number)
    except BrokenPipeError:
        # The test did not wait.
        return


def _forked(request: dict[str, Any], streams: Sequence[int]) -> subprocess.Popen[bytes]:
    stdin, stdout, stderr = streams
    body = partial(_command_line, request["arguments"])
    return subprocess.Popen(
        # Never executed, since the function before it does not return.
        ["false"],
        cwd=request["folder"],
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        preexec_fn=partial(forked.become, "meshwg", body, request["environment"]),
    )


def _command_line(arguments: Sequence[str]) -> None:
    # As Python has it when a program begins.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    replace_part(children, "main", program.main)
    children.command_line(arguments)


def _make_secrets_cheap() -> None:
    """Makes passwords and unlock secrets cost little; `test_passwords` and `test_vault` are about their cost."""
    make = Vault.make
    replace_part(Vault, "make", staticmethod(lambda secret, _work=None: make(secret, _CHEAP)))
    replace_part(passwords, "hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


if __name__ == "__main__":
    _make_secrets_cheap()
    rehearsal.rehearse()
    forkable.settle()
    serve(socket.socket(fileno=int(sys.argv[1])))
