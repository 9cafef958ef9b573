"""Option `--watch` of `gate` and `test`: addresses that can't be used, and options that it does not go with."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from netlab import sandbox


def ended(*arguments: str) -> tuple[int, str]:
    """Runs a command outside of a sandbox; returns its exit code and what it said."""
    outside = {key: value for key, value in os.environ.items() if key != sandbox.MARK}
    done = subprocess.run(
        [sys.executable, "-m", "appliance", *arguments], env=outside, capture_output=True, text=True, check=False
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("command", "address"),
    [("gate", ""), ("gate", "8799"), ("gate", "127.0.0.1:99999"), ("test", "http://127.0.0.1:1"), ("test", "::1:80")],
)
def test_an_address_that_makes_no_sense_is_bad_usage(command: str, address: str) -> None:
    assert ended(command, f"--watch={address}") == (
        64,
        f"meshwg: --watch takes HOST:PORT, an IPv6 address in brackets, not {address!r}.\n",
    )


def test_an_address_that_is_taken_or_another_s_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert ended("gate", f"--watch={address}") == (
            71,
            f"meshwg: The live page can't be reached at {address}: Address already in use.\n",
        )
    code, said = ended("gate", "--watch=192.0.2.77:8799")
    assert (code, said.count("\n")) == (71, 1)


def test_it_does_not_go_with_a_part_without_the_gate() -> None:
    assert ended("test", "--only=lint", "--watch=127.0.0.1:0") == (
        64,
        "meshwg: --watch shows the gate, and --only leaves it out.\n",
    )
