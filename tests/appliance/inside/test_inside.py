"""Every attempt of the catalogue, made in the web process of a running service, and by root as the control."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from appliance.cli.folder import hub_socket
from appliance.cli.ownership import web_user
from appliance.hub.names import Names
from appliance.hub.rpc import codec
from appliance.store import Store, instance, organizations
from tests.appliance.cli.started import PORT, READY, call, children, sign_up, wait_for_health
from tests.appliance.inside import of_rights, service
from tests.appliance.inside.attempts import Targets
from tests.appliance.inside.catalogue import CONTROLS, ROWS
from tests.appliance.inside.of_the_hub import EXCESSIVE
from tests.waiting import DEADLINE

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="it takes root to see what somebody else can't do")

WORD = "only-root-knows-this-word"
_LAST = "end the service"


class Visitor:
    """Client of the attacker's code in the web process."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def tries(self, name: str, targets: Targets) -> str:
        """Runs an attempt; returns the error that stopped it, or an empty text if it succeeded."""
        codec.send(self._connection, (name, targets))
        answer = codec.receive(self._connection)
        assert answer is not None, f"they died of: {name}"
        return str(codec.decode(answer, str))


@dataclass(frozen=True)
class Visited:
    """A service with an attacker in its web process, who listens on a socket beside the service's open log file."""

    process: subprocess.Popen[bytes]
    log: Path
    asked_on: Path


@pytest.fixture
def visited(data: Path, swept: None) -> Iterator[Visited]:
    del swept
    _leave_what_earlier_versions_did(data)
    file, asked_on = data.with_name("log"), data.with_name("asked")
    command = [sys.executable, str(Path(service.__file__)), str(asked_on), "up", f"--data={data}"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MESHWG_")}
    with file.open("wb") as written:
        process = subprocess.Popen(
            [*command, f"--listen=127.0.0.1:{PORT}", "--endpoint=127.0.0.1"],
            stdout=written,
            stderr=written,
            cwd=data.parent,
            env={**environment, "OPERATORS_OWN": WORD},
            preexec_fn=of_rights.keep_key,
        )
    yield Visited(process, file, asked_on)
    process.terminate()
    try:
        process.wait(DEADLINE)
    finally:
        process.kill()


def _leave_what_earlier_versions_did(data: Path) -> None:
    """Makes the certificate's folder the web user's, with links in the place of root's files."""
    (data / "tls").mkdir(parents=True)
    outside = data.with_name("outside")
    outside.touch(0o600)
    outside.write_text("untouched")
    for name in ("certificate.pem", "key.pem", "own-key.pem"):
        (data / "tls" / name).symlink_to(outside)
    os.link(outside, data / "tls" / "own-certificate.pem")
    user = web_user()
    os.chown(data / "tls", user.uid, user.gid)


@pytest.fixture
def visitor(visited: Visited) -> Iterator[Visitor]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(visited.asked_on))
        visited.asked_on.chmod(0o666)
        listener.listen()
        listener.settimeout(1)
        connection = None
        while connection is None or READY not in visited.log.read_text():
            assert visited.process.poll() is None, visited.log.read_text()
            with suppress(TimeoutError):
                connection, _ = listener.accept()
        with connection:
            connection.settimeout(DEADLINE)
            yield Visitor(connection)


def targets_of(data: Path, supervisor: int) -> Targets:
    """Finds the targets in this service, with an organization in it."""
    organization, _ = sign_up("acme")
    store = Store(f"sqlite:///{data / 'store' / 'meshwg.sqlite'}")
    with store.read() as transaction:
        found = instance.find(transaction)
        desired = organizations.desired(transaction, organization)
        revision = organizations.revision(transaction, organization)
    store.close()
    assert found is not None
    assert found.port is not None
    assert desired is not None
    assert revision is not None
    wireguard = [
        int(folder.name)
        for folder in Path("/proc").glob("[0-9]*")
        if (folder / "cmdline").read_bytes().split(b"\0")[0].endswith(b"wireguard-go")
    ]
    secret = data.with_name("data.unlock-secret")
    return Targets(
        processes={
            "up": supervisor,
            "hub": children(supervisor)["hub"],
            **{f"wireguard-go {number}": pid for number, pid in enumerate(wireguard)},
        },
        data=str(data),
        secret=str(secret),
        hub=str(hub_socket(found.id)),
        organization=organization,
        place=Names(found.id).of(organization).namespace,
        state=codec.encode(desired),
        revision=revision,
        ports=(found.port, desired.port),
        words=(WORD[::-1], secret.read_text().strip()[::-1]),
    )


def control(name: str, targets: Targets) -> str:
    """Runs the attempt as root; returns the error that stopped it, or an empty text if it succeeded."""
    try:
        CONTROLS.get(name, ROWS[name])(targets)
    except OSError as error:
        return error.strerror or str(error)
    return ""


@pytest.mark.long
def test_every_attempt_of_the_web_process_is_stopped(
    data: Path,
    visited: Visited,
    visitor: Visitor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outside = data.with_name("outside")
    assert (outside.read_text(), outside.stat().st_mode & 0o777, outside.stat().st_uid) == ("untouched", 0o600, 0)
    assert {path.name: path.stat().st_uid for path in (data / "tls").iterdir()} == {"certificate.pem": 0, "key.pem": 0}
    targets = targets_of(data, visited.process.pid)
    stopped = {name: visitor.tries(name, targets) for name in ROWS}
    for name, by in stopped.items():
        print(f"{name:52}{by or 'GOT THROUGH'}")
    assert [name for name, by in stopped.items() if not by] == []
    # It is the hub that looked at these, and not a call that nobody understood.
    assert {name for name, by in stopped.items() if "trusted" in by or "$.call.organization" in by} == set(EXCESSIVE)
    wait_for_health("/readyz")
    assert call("GET", "/healthz")[0] == 200

    # Root gets through with every one, as this process is: it has a word, a key and a file that root left open.
    monkeypatch.setenv("OPERATORS_OWN", WORD)
    of_rights.keep_key()
    with (
        Path(targets.secret).open(),
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as abstract,
        subprocess.Popen(["sleep", "60"], start_new_session=True) as other,
    ):
        abstract.bind("\0meshwg-inside")
        abstract.listen()
        failed = {name: control(name, targets) for name in ROWS if name != _LAST}
        other.kill()
    assert {name: by for name, by in failed.items() if by} == {}
    assert control(_LAST, targets) == ""
