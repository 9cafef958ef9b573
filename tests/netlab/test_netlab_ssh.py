"""Hosts over SSH, as far as they differ from other hosts; `test_netlab_backends` has the rest."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from netlab import Cable, HostPlan, HostUnavailable, Lab, LabHost, Plan, genkey, wg_quick
from netlab.ssh import Remotes, SshHost
from netlab.sshlogin import Login
from tests.netlab import sshd
from tests.netlab.backends import MUMBAI, PLAN, servers
from tests.waiting import wait_until

TUNNEL = "[Interface]\nPrivateKey = {}\nAddress = 10.0.0.1/24\n"
LEAVES_MUCH = """
import sys
from pathlib import Path
from netlab import wg_quick
from netlab.ssh import SshHost
from netlab.sshlogin import Login
address, key_file, host_key, tunnel = sys.argv[1:]
host = SshHost("mumbai", Login(address, key_file=Path(key_file), host_key=host_key))
wg_quick(host, tunnel, "left.conf")
host.start("sleep", "76543")
print(host.folder, flush=True)
input()
"""


@pytest.fixture(scope="module", name="network")
def _network() -> Iterator[tuple[Lab, dict[str, Login]]]:
    with servers() as made:
        yield made


@pytest.fixture
def lab(network: tuple[Lab, dict[str, Login]]) -> Lab:
    return network[0]


@pytest.fixture
def login(network: tuple[Lab, dict[str, Login]]) -> Login:
    return network[1]["mumbai"]


def left(host: LabHost) -> list[str]:
    """Lists the traces of a caller in the host: its tunnel and its program."""
    tunnel = host.run("ip", "link", "show", "dev", "left", check=False).stdout
    program = [pid for pid in host.processes() if b"76543" in command_line(pid)]
    return [*tunnel.splitlines(), *map(str, program)]


def command_line(pid: int) -> bytes:
    """Returns the command line of a process; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def wait_until_nothing_is_left(host: LabHost, folder: str) -> None:
    wait_until(lambda: not left(host) and not Path(folder).exists(), lambda: (left(host), folder))


def test_closing_a_host_removes_everything_started_there(lab: Lab, login: Login) -> None:
    host = SshHost("mumbai", login)
    wg_quick(host, TUNNEL.format(genkey()), "left.conf")
    host.start("sleep", "76543")
    assert len(left(lab.hosts["mumbai"])) >= 2
    host.close()
    host.close()
    wait_until_nothing_is_left(lab.hosts["mumbai"], str(host.folder))
    with pytest.raises(HostUnavailable, match="mumbai"):
        host.run("true")


def test_a_killed_caller_leaves_nothing_on_the_host(lab: Lab, login: Login) -> None:
    arguments = [login.address, str(login.key_file), str(login.host_key), TUNNEL.format(genkey())]
    environment = {**os.environ, "PYTHONPATH": str(Path(sshd.__file__).parents[2])}
    command = [sys.executable, "-c", LEAVES_MUCH, *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        folder = process.stdout.readline().strip()
        assert len(left(lab.hosts["mumbai"])) >= 2
        process.send_signal(signal.SIGKILL)
    wait_until_nothing_is_left(lab.hosts["mumbai"], folder)


def test_a_host_with_another_key_is_refused(login: Login) -> None:
    with pytest.raises(HostUnavailable, match="mumbai"):
        SshHost("mumbai", replace(login, host_key=sshd.new_key().public))
    with pytest.raises(HostUnavailable, match="mumbai"):
        SshHost("mumbai", replace(login, host_key=None))
    with pytest.raises(HostUnavailable, match="host key"):
        SshHost("mumbai", replace(login, host_key="nonsense"))


def test_a_refused_login_is_an_error(lab: Lab, login: Login) -> None:
    strange = lab.folder / "strange"
    strange.write_text(sshd.new_key().private)
    with pytest.raises(HostUnavailable, match=f"root@{MUMBAI}"):
        SshHost("mumbai", replace(login, key_file=strange))
    with pytest.raises(HostUnavailable):
        SshHost("mumbai", replace(login, port=23))


def test_commands_run_through_the_elevating_command(login: Login) -> None:
    host = SshHost("mumbai", replace(login, elevate=("env", "WORD=here")))
    assert host.run("sh", "-c", "echo $WORD").stdout == "here\n"
    assert host.shell_command()[-4:] == [f"root@{MUMBAI}", "env", "WORD=here", "sh"]
    host.close()


def test_hosts_that_differ_from_the_plan_are_refused(network: tuple[Lab, dict[str, Login]]) -> None:
    _, logins = network
    other = Plan((HostPlan("mumbai"),), (Cable("mumbai", "internet", ("192.0.2.99/24",)),))
    with pytest.raises(HostUnavailable, match=r"no address 192\.0\.2\.99/24"):
        Remotes(other, logins)
    with pytest.raises(HostUnavailable, match="no login"):
        Remotes(PLAN, {"hub": logins["hub"]})
