"""`up` from outside: what it refuses and how, what it leaves, and that it can be started again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from appliance.cli.errors import Exit
from netlab import sandbox

PORT = 18443
READY = "MeshWG is up at"
DEADLINE = 40.0


@dataclass
class Run:
    """A started `up`."""

    process: subprocess.Popen[str]
    output: list[str] = field(default_factory=list)

    def wait_until_ready(self) -> str:
        """What it said until it was up."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output.append(line)
            if READY in line:
                return "".join(self.output)
        raise AssertionError("".join(self.output))

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Its exit code after this signal."""
        self.process.send_signal(number)
        self.process.communicate(timeout=DEADLINE)
        return self.process.returncode


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder that does not exist yet."""
    if not sandbox.inside():
        pytest.fail("tests of `up` run in a sandbox: use `./meshwg test --only unit`")
    # The web process is another user, who can't get through pytest's private folders.
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o011 != 0o011 and folder != Path("/"):
            folder.chmod(0o755)
    return tmp_path / "data"


@pytest.fixture
def runs() -> Iterator[list[Run]]:
    """What a test started; whatever still runs is killed."""
    started: list[Run] = []
    yield started
    for run in started:
        if run.process.poll() is None:
            run.process.kill()
            run.process.communicate()


def start(runs: list[Run], data: Path, *arguments: str, **environment: str) -> Run:
    process = subprocess.Popen(
        [sys.executable, "-m", "appliance", "up", f"--data={data}", f"--listen=127.0.0.1:{PORT}", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**{k: v for k, v in os.environ.items() if not k.startswith("MESHWG_")}, **environment},
    )
    runs.append(Run(process))
    return runs[-1]


def refused(runs: list[Run], data: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """Exit code and words of an `up` that must not come up."""
    run = start(runs, data, *arguments, **environment)
    output, _ = run.process.communicate(timeout=DEADLINE)
    assert READY not in output
    return run.process.returncode, output.strip()


def assert_one_sentence(output: str) -> None:
    assert output.startswith("meshwg: ")
    assert len(output.splitlines()) == 1


def test_a_first_start_a_second_with_the_secret_and_none_without(data: Path, runs: list[Run]) -> None:
    first = start(runs, data)
    said = first.wait_until_ready()
    secret = data.with_name("data.unlock-secret")
    assert str(secret) in said
    assert secret.stat().st_mode & 0o777 == 0o600
    assert secret.read_text().strip() not in said
    # A second service on the same folder is turned away while the first one runs.
    code, output = refused(runs, data, f"--listen=127.0.0.1:{PORT + 1}", MESHWG_UNLOCK_SECRET_FILE=str(secret))
    assert code == Exit.BUSY
    assert_one_sentence(output)
    assert first.stop() == 0

    code, output = refused(runs, data)
    assert code == Exit.NOT_CONFIGURED
    assert_one_sentence(output)
    code, output = refused(runs, data, MESHWG_UNLOCK_SECRET="a wrong secret, but long enough")
    assert code == Exit.WRONG_SECRET
    assert_one_sentence(output)

    second = start(runs, data, MESHWG_UNLOCK_SECRET_FILE=str(secret))
    second.wait_until_ready()
    assert second.stop(signal.SIGINT) == 0


def test_a_taken_port_leaves_nothing_behind(data: Path, runs: list[Run]) -> None:
    with socket.create_server(("127.0.0.1", PORT)):
        code, output = refused(runs, data)
    assert code == Exit.ADDRESS_IN_USE
    assert_one_sentence(output)
    assert not (data / "store").exists()
    assert not data.with_name("data.unlock-secret").exists()


@pytest.mark.parametrize(
    ("arguments", "environment", "code"),
    [
        (["--wireguard=boringtun"], {"PATH": "/nowhere"}, Exit.UNAVAILABLE),
        (["--trusted-source=nowhere"], {}, Exit.NOT_CONFIGURED),
        (["--database-url=sqlite:////proc/none/x"], {}, Exit.CANNOT_CREATE),
        ([], {"MESHWG_UNLOCK_SECRET": "short"}, Exit.NOT_CONFIGURED),
        ([], {"MESHWG_UNLOCK_SECRET_FILE": "/nowhere"}, Exit.NOT_CONFIGURED),
    ],
)
def test_bad_settings_are_one_sentence(
    data: Path, runs: list[Run], arguments: list[str], environment: dict[str, str], code: Exit
) -> None:
    found, output = refused(runs, data, *arguments, **environment)
    assert (found, output) == (code, output)
    assert_one_sentence(output)


def test_killed_children_are_started_again(data: Path, runs: list[Run]) -> None:
    run = start(runs, data)
    run.wait_until_ready()
    before = children(run.process.pid)
    assert set(before) == {"hub", "web"}
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + DEADLINE
    while not (
        set(now := children(run.process.pid)) == {"hub", "web"} and not set(now.values()) & set(before.values())
    ):
        assert time.monotonic() < deadline, now
        time.sleep(0.05)
    wait_for_health()
    assert run.stop() == 0


def test_the_web_process_has_no_privilege_and_no_secret(data: Path, runs: list[Run]) -> None:
    secret = "a secret that nobody guesses"
    run = start(runs, data, MESHWG_UNLOCK_SECRET=secret)
    run.wait_until_ready()
    web = children(run.process.pid)["web"]
    for pid in (web, *(int(each) for each in Path(f"/proc/{web}/task/{web}/children").read_text().split())):
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        assert "0" not in status["Uid"].split()
        assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == int(status["CapBnd"], 16) == 0
        assert status["NoNewPrivs"] == "1"
        assert secret.encode() not in Path(f"/proc/{pid}/environ").read_bytes()
    assert run.stop() == 0


def children(pid: int) -> dict[str, int]:
    """The children of `up` by their command."""
    found = {}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        words = Path(f"/proc/{child}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        found[words[-1].decode()] = int(child)
    found.pop("", None)
    return found


def wait_for_health() -> None:
    """Until something listens again."""
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            socket.create_connection(("127.0.0.1", PORT), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return
