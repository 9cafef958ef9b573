"""Command `lab`: reachable from outside of its sandbox, and gone when it ends."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.appliance import forks
from tests.sandboxes import need_sandbox, outside

DEADLINE = 60.0


def pid_namespaces() -> set[str]:
    """Lists the pid namespaces that have a running process."""
    found = set()
    for entry in Path("/proc").iterdir():
        # A process may end between the listing and the look at it.
        with suppress(OSError):
            if entry.name.isdigit():
                found.add(str((entry / "ns/pid").readlink()))
    return found


class Lab:
    """A lab in a sandbox below this one, which is its outside."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "appliance", "lab"],
            env=outside(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        self.output = ""
        while "hub       nsenter" not in self.output:
            line = self.process.stdout.readline()
            assert line, self.output
            self.output += line
        self.namespaces = self._namespaces()

    def _namespaces(self) -> set[str]:
        """Lists the pid namespaces below the lab's process: each process of a sandbox is in one of them."""
        below, found = {str(self.process.pid)}, set[str]()
        parents = {}
        for status in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                parents[status.parent.name] = status.read_text().rpartition(")")[2].split()[1]
        while more := {pid for pid, parent in parents.items() if parent in below} - below:
            below |= more
        for pid in below:
            with suppress(OSError):
                found.add(str(Path("/proc", pid, "ns/pid").readlink()))
        return found - {str(Path("/proc/self/ns/pid").readlink())}

    def shell(self, name: str, *command: str) -> str:
        """Runs a command in the shell that the lab printed; returns its output."""
        found = re.search(rf"^  {name} +(nsenter .*)$", self.output, re.MULTILINE)
        assert found, self.output
        words = [*found[1].split(), *command]
        return subprocess.run(words, capture_output=True, text=True, check=True, timeout=DEADLINE).stdout

    def end(self, number: int) -> tuple[int, str]:
        """Sends a signal; returns exit status and output."""
        self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=DEADLINE)
        return self.process.returncode, rest


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A running lab."""
    need_sandbox()
    made = Lab()
    yield made
    made.process.kill()
    made.process.wait()


@pytest.mark.long
def test_a_lab_is_reached_from_outside_and_ends_without_a_trace(lab: Lab) -> None:
    # This network differs from the lab's, and reaches it only by the address that the lab printed.
    assert "192.0.2.1" not in subprocess.run(["ip", "address"], capture_output=True, text=True, check=True).stdout

    url = re.search(r"https://127\.0\.0\.1:\d+/", lab.output)
    assert url, lab.output
    page = httpx.get(f"{url[0]}login", verify=False, timeout=DEADLINE)  # noqa: S501 - its certificate is its own
    assert page.status_code == httpx.codes.OK
    assert "password" in page.text

    pune = re.search(r"^pune +([0-9.]+)", lab.output, re.MULTILINE)
    assert pune, lab.output
    assert "1 received" in lab.shell("mumbai", "ping", "-c", "1", "-W", "5", pune[1])
    assert lab.shell("hub", "hostname").strip() == "hub"

    # The lab's sandbox has to be gone; this process is in another one.
    assert lab.namespaces
    status, rest = lab.end(signal.SIGTERM)
    assert status == 0, rest
    assert "The lab is gone." in rest
    assert not lab.namespaces & pid_namespaces()


@pytest.mark.long
def test_a_taken_address_has_an_exit_code_of_its_own() -> None:
    done = forks.run(["lab", "--listen", "192.0.2.77:1"], os.environ)
    assert done.returncode == 71
    assert "192.0.2.77:1" in done.stderr


@pytest.mark.long
def test_a_terminal_gets_shells_one_after_the_other() -> None:
    # script(1) provides a terminal. Each line is read by the program in the foreground.
    typed = "mumbai\necho in-$(hostname)\nexit\nnobody\nhub\necho in-$(hostname)\nexit\nquit\n"
    done = subprocess.run(
        ["script", "--quiet", "--return", "--command", f"{shlex.quote(sys.executable)} -m appliance lab", "/dev/null"],
        env=outside() | {"SHELL": "/bin/sh"},
        input=typed,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )
    assert done.returncode == 0, done.stdout
    assert "in-mumbai" in done.stdout
    assert "in-hub" in done.stdout
    assert "There are: mumbai, pune, hub." in done.stdout
    assert done.stdout.rstrip().endswith("The lab is gone.")
