"""Services that tests start, and calls to them."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any

from appliance.cli.child import Child, NotStarted
from tests.appliance import forks
from tests.appliance.forks import Forked
from tests.appliance.members import PASSWORD
from tests.waiting import DEADLINE, wait_until

PORT = 18443
READY = "MeshWG is up"
PROCESSES = ("hub", "web", "demo")


@dataclass
class Run:
    """A started `up`."""

    process: subprocess.Popen[str] | Forked
    output: list[str] = field(default_factory=list)

    def wait_until_ready(self) -> str:
        """Waits until it is up; returns its output until then."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output.append(line)
            if READY in line:
                return "".join(self.output)
        raise AssertionError("".join(self.output))

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Sends a signal, and waits for the end; returns the exit code."""
        self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=DEADLINE)
        self.output.append(rest)
        return self.process.wait()


def start(runs: list[Run], data: Path, *arguments: str, **environment: str) -> Run:
    """Starts `up` on this data folder, as a fork of a program that has loaded it; so are its processes."""
    runs.append(Run(Forked(_up(data, arguments), _environment(environment))))
    return runs[-1]


def start_program(runs: list[Run], data: Path, *arguments: str, **environment: str) -> Run:
    """Starts `up` on this data folder as an operator does: for tests of what a fork shares with its program."""
    process = subprocess.Popen(
        [sys.executable, "-m", "appliance", *_up(data, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=_environment(environment),
    )
    runs.append(Run(process))
    return runs[-1]


def refused(runs: list[Run], data: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """Runs an `up` that must not come up; returns its exit code and words."""
    run = start(runs, data, *arguments, **environment)
    output, _ = run.process.communicate(timeout=DEADLINE)
    assert READY not in output
    return run.process.wait(), output.strip()


def meshwg(data: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs another command on this data folder to its end, as a fork of a program that has loaded it."""
    return forks.run([*arguments, f"--data={data}"], _environment(environment))


def run_program(data: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs another command on this data folder to its end, as an operator does."""
    return subprocess.run(
        [sys.executable, "-m", "appliance", *arguments, f"--data={data}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
        env=_environment(environment),
    )


def answer(data: Path, *arguments: str, **environment: str) -> Any:
    """Runs a command that must succeed; returns the JSON that it prints."""
    done = meshwg(data, *arguments, "--json", **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def assert_refused(done: subprocess.CompletedProcess[str], code: int) -> None:
    """Checks that the command ended with this code and one sentence."""
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert_one_sentence(done.stderr)


def assert_one_sentence(output: str) -> None:
    """Checks that standard error has one sentence, in one line."""
    assert output.startswith("meshwg: ")
    assert len(output.splitlines()) == 1


def call(method: str, path: str, body: Any = None, token: str = "") -> tuple[int, Any]:
    """Makes a call to the service; returns its status and JSON."""
    answered = fetch(method, path, body, token)
    return answered.status, json.loads(answered.content) if answered.content else None


@dataclass(frozen=True)
class Answer:
    """Answer to a call."""

    status: int
    headers: Message
    content: bytes


def fetch(method: str, path: str, body: Any = None, token: str = "") -> Answer:
    """Makes a call to the service."""
    # Without the system's authorities, which take longer to load than most calls, and which nothing is checked by.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = HTTPSConnection("127.0.0.1", PORT, context=context, timeout=DEADLINE)
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


def sign_up(name: str) -> tuple[str, str]:
    """Signs up an organization; returns its id, and its owner's token."""
    wishes = {"email": f"owner@{name}.example", "password": PASSWORD, "organization": name}
    status, found = call("POST", "/api/v1/signup", wishes)
    assert status == 201, found
    return found["organization"]["id"], found["token"]


def log_in(name: str) -> tuple[str, str]:
    """Logs the owner of the organization of that name in; returns the organization's id and the token."""
    status, found = call("POST", "/api/v1/sessions", {"email": f"owner@{name}.example", "password": PASSWORD})
    assert status == 201, found
    token = found["token"]
    return call("GET", "/api/v1/organization", token=token)[1]["id"], token


def children(pid: int) -> dict[str, int]:
    """Returns the children of `up` by their command."""
    found = {}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        # It may end meanwhile.
        with suppress(FileNotFoundError, ProcessLookupError):
            words = Path(f"/proc/{child}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
            # A fork has the words of the program that it was forked from, and a name of its own.
            name = Path(f"/proc/{child}/comm").read_text().strip()
            found[name if name in PROCESSES else words[-1].decode()] = int(child)
    found.pop("", None)
    return found


def were_replaced(pid: int, before: Mapping[str, int]) -> bool:
    """Tells if `up` has replaced these children by one new child for each command."""
    now = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return len(now) == len(before) and not set(map(int, now)) & set(before.values())


def is_dead(child: Child) -> bool:
    """Tells if a supervisor's child has ended, or could not be started."""
    try:
        child.check()
    except NotStarted:
        return True
    return False


def wait_for_health(path: str = "/healthz") -> None:
    """Waits until the service reports that it is healthy."""

    def is_well() -> bool:
        try:
            return call("GET", path)[0] == 200
        except (OSError, HTTPException):
            return False

    wait_until(is_well)


def _up(data: Path, arguments: Sequence[str]) -> list[str]:
    given = {each.partition("=")[0] for each in arguments}
    usual = {"--data": str(data), "--listen": f"127.0.0.1:{PORT}"}
    return ["up", *(f"{name}={value}" for name, value in usual.items() if name not in given), *arguments]


def _environment(more: dict[str, str]) -> dict[str, str]:
    return {**{k: v for k, v in os.environ.items() if not k.startswith("MESHWG_")}, **more}
