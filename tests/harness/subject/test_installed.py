"""What a shell tells of a service on its host, where there is one, none, or two."""

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


class Somewhere:
    """A host with an SSH server, and the way to it."""

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
        """A process that is called as the hub of a service is."""
        folder = self.host.folder / "appliance"
        folder.mkdir(exist_ok=True)
        (folder / "__main__.py").write_text(PROGRAM)
        process = self.host.start(sys.executable, "-m", "appliance", "hub", cwd=self.host.folder, env=settings)
        process.wait_for_log("runs", DEADLINE)
        return process

    def close(self) -> None:
        """Closes what leads there."""
        for file in (*self._files, self.live.outward.descriptor):
            os.close(file)


@pytest.fixture
def somewhere() -> Iterator[Somewhere]:
    program = sshd.needed()
    with Lab() as lab:
        made = Somewhere(lab, program)
        yield made
        made.close()


def test_settings_of_a_file_are_found_as_under_systemd(somewhere: Somewhere) -> None:
    file = somewhere.host.folder / "meshwg.toml"
    file.write_text('data = "/srv/meshwg"\n')
    process = somewhere.service(MESHWG_CONFIG=str(file), MESHWG_UNLOCK_SECRET_FILE="/etc/secret")
    service = OverSsh(somewhere.live)
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


def test_its_log_is_the_file_that_it_writes_to(somewhere: Somewhere) -> None:
    process = somewhere.service(MESHWG_DATA="/srv/meshwg")
    service = OverSsh(somewhere.live)
    assert service.log_text() == process.log_text() == "runs\n"
    service.close()


def test_who_can_t_stop_it_says_so(somewhere: Somewhere) -> None:
    somewhere.service(MESHWG_DATA="/srv/meshwg")
    service = OverSsh(somewhere.live)
    for ask in (service.stop, service.start):
        with pytest.raises(Inconclusive, match="can't be asked to st"):
            ask()
    assert somewhere.host.read(PurePosixPath("/run/asked")) == b"stop\nstart\n"
    service.close()


def test_none_or_two_are_not_taken_for_one(somewhere: Somewhere) -> None:
    with pytest.raises(Inconclusive, match="no service runs"):
        OverSsh(somewhere.live)
    somewhere.service(MESHWG_DATA="/srv/one")
    somewhere.service(MESHWG_DATA="/srv/two")
    with pytest.raises(Inconclusive, match="there are 2"):
        OverSsh(somewhere.live)
