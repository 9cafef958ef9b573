"""Everything in the catalogue, tried from within the web process of a running service, and by root as the control."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.cli.folder import hub_socket
from appliance.hub import messages
from appliance.hub.names import Names
from appliance.store import Store, instance, organizations
from tests.appliance.cli.started import DEADLINE, PORT, READY, call, children, sign_up, wait_for_health
from tests.appliance.inside import catalogue, service
from tests.appliance.inside.catalogue import CONTROLS, OF_THE_HUB, ROWS, Targets

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="it takes root to see what somebody else can't do")

WORD = "only-root-knows-this-word"
_LAST = "end the service"


class Visitor:
    """The one in the web process, as the test talks to them."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def tries(self, name: str, targets: Targets) -> str:
        """What stopped them; nothing where they got through."""
        messages.send(self._connection, (name, targets))
        answer = messages.receive(self._connection)
        assert answer is not None, f"they died of: {name}"
        return str(messages.decode(answer, str))


@pytest.fixture
def log(data: Path, swept: None) -> Iterator[Path]:
    """The log of a service with a visitor, in a file that the service has open; the visitor calls in beside it."""
    del swept
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
            preexec_fn=catalogue.keep_key,
        )
    file.with_name("pid").write_text(str(process.pid))
    yield file
    process.terminate()
    try:
        process.wait(DEADLINE)
    finally:
        process.kill()


@pytest.fixture
def visitor(data: Path, log: Path) -> Iterator[Visitor]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        path = data.with_name("asked")
        listener.bind(str(path))
        path.chmod(0o666)
        listener.listen()
        listener.settimeout(DEADLINE)
        deadline = time.monotonic() + DEADLINE
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(DEADLINE)
            while READY not in log.read_text():
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
            yield Visitor(connection)


def targets_of(data: Path) -> Targets:
    """What there is to get at in this service, with an organization in it."""
    supervisor = int(data.with_name("pid").read_text())
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
        place=Names(found.id).places(organization).namespace,
        state=messages.encode(desired),
        revision=revision,
        ports=(found.port, desired.port),
        words=(WORD[::-1], secret.read_text().strip()[::-1]),
    )


def control(name: str, targets: Targets) -> str:
    """What stops root of the same; nothing where the attempt can get through."""
    try:
        CONTROLS.get(name, ROWS[name])(targets)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def test_nothing_that_a_web_process_tries_gets_through(
    data: Path,
    visitor: Visitor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    targets = targets_of(data)
    stopped = {name: visitor.tries(name, targets) for name in ROWS}
    for name, by in stopped.items():
        print(f"{name:52}{by or 'GOT THROUGH'}")
    assert [name for name, by in stopped.items() if not by] == []
    # It is the hub that looked at these, and not a call that nobody understood.
    assert {name for name, by in stopped.items() if "trusted" in by or "$.call.organization" in by} == set(OF_THE_HUB)
    wait_for_health("/readyz")
    assert call("GET", "/healthz")[0] == 200

    # Root gets through with every one, as this process is: it has a word, a key and a file that root left open.
    monkeypatch.setenv("OPERATORS_OWN", WORD)
    catalogue.keep_key()
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
