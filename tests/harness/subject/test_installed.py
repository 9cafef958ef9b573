"""Discovery of services through a shell on their host: one, none, or two."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from harness.judging.verdicts import Inconclusive
from harness.subject import outward
from harness.subject.installed import OverSsh
from harness.subject.live import Live, Shell
from harness.subject.outward import Outward
from netlab import Lab, NamespaceHost, Process
from tests.netlab import sshd
from tests.waiting import DEADLINE, wait_until

ADDRESS = "192.0.2.1"
PROGRAM = "print('runs', flush=True)\nimport time\ntime.sleep(1000)\n"


class RemoteHost:
    """A host with an SSH server, and the access to it."""

    def __init__(self, lab: Lab, program: str) -> None:
        self.host = lab.host("hub")
        assert isinstance(self.host, NamespaceHost)
        internet = lab.switch("internet")
        lab.connect(self.host, internet, f"{ADDRESS}/24")
        lab.connect_here(internet, "192.0.2.250/24")
        user, key = sshd.new_key(), lab.folder / "key"
        key.write_text(user.private)
        _, login = sshd.start(program, self.host, ADDRESS, user, key)
        hosts = lab.folder / "known_hosts"
        hosts.write_text(f"{ADDRESS} {login.host_key}\n")
        known, own = (os.open(file, os.O_RDONLY) for file in (hosts, key))
        self._files = (known, own)
        shell = Shell(f"root@{ADDRESS}", known, own, "echo {} >>/run/asked; false")
        self.live = Live("https://192.0.2.1", Outward(outward.start()), None, shell)

    def service(self, **settings: str) -> Process:
        """Starts a process with the command line of a service's hub."""
        folder = self.host.folder / "appliance"
        folder.mkdir(exist_ok=True)
        # A package without it would come after any of the same name that this process is told to look for.
        (folder / "__init__.py").touch()
        (folder / "__main__.py").write_text(PROGRAM)
        process = self.host.start(sys.executable, "-m", "appliance", "hub", cwd=self.host.folder, env=settings)
        process.wait_for_log("runs", DEADLINE)
        return process

    def close(self) -> None:
        """Closes the descriptors of the access."""
        for file in (*self._files, self.live.outward.descriptor):
            os.close(file)


@pytest.fixture
def remote() -> Iterator[RemoteHost]:
    program = sshd.needed()
    with Lab() as lab:
        made = RemoteHost(lab, program)
        yield made
        made.close()


def test_settings_in_a_file_are_found(remote: RemoteHost) -> None:
    file = remote.host.folder / "meshwg.toml"
    file.write_text('data = "/srv/meshwg"\n')
    process = remote.service(MESHWG_CONFIG=str(file), MESHWG_UNLOCK_SECRET_FILE="/etc/secret")
    service = OverSsh(remote.live)
    assert service.data == PurePosixPath("/srv/meshwg")
    (pid,) = service.children("hub")
    assert service.children("web") == set()
    service.signal([pid], signal.SIGSTOP)
    state = Path(f"/proc/{pid}/stat")
    wait_until(lambda: state.read_text().rpartition(")")[2].split()[0] == "T")
    service.signal([pid], signal.SIGKILL)
    service.signal([pid], signal.SIGKILL)
    assert process.wait(DEADLINE) == -signal.SIGKILL
    service.close()


def test_the_log_is_the_file_of_standard_error(remote: RemoteHost) -> None:
    process = remote.service(MESHWG_DATA="/srv/meshwg")
    service = OverSsh(remote.live)
    assert service.log_text() == process.log_text() == "runs\n"
    service.close()


def test_a_control_command_that_fails_is_inconclusive(remote: RemoteHost) -> None:
    remote.service(MESHWG_DATA="/srv/meshwg")
    service = OverSsh(remote.live)
    for ask in (service.stop, service.start):
        with pytest.raises(Inconclusive, match="can't be asked to st"):
            ask()
    assert remote.host.read(PurePosixPath("/run/asked")) == b"stop\nstart\n"
    service.close()


def test_no_service_or_two_are_inconclusive(remote: RemoteHost) -> None:
    with pytest.raises(Inconclusive, match="no service runs"):
        OverSsh(remote.live)
    remote.service(MESHWG_DATA="/srv/one")
    remote.service(MESHWG_DATA="/srv/two")
    with pytest.raises(Inconclusive, match="there are 2"):
        OverSsh(remote.live)
