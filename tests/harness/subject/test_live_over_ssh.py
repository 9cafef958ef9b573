"""Gate over a remote service with a shell on its host, which proves claims about the host as well."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from harness.client.api import Api
from harness.subject.kinds import NEEDS_MORE_THAN_A_SHELL
from harness.subject.service import PORT
from harness.world.world import HUB, OFFICE
from netlab import Lab, NamespaceHost, wait_until
from tests.appliance import forks
from tests.netlab import sshd
from tests.sandboxes import outside

DEADLINE = 600.0
START_DEADLINE = 120.0
NEED_OWN_SERVICE = (
    # It needs a network without address translation.
    "test_a_machine_led_to_a_closed_port_reconnects",
    # These kill the lab's own service.
    "test_no_answered_change_is_lost",
    "test_a_power_cut_loses_no_answered_change",
    "test_a_hub_that_starts_over_older_rules_replaces_them",
    "test_a_restored_store_is_in_force_as_it_was",
    "test_an_older_compiler_s_rules_are_replaced_at_a_start",
    # It sets the clock of the lab's own service.
    "test_a_set_clock_lets_no_machine_appear_or_vanish",
)
CONTROL = """\
#!/bin/sh
# What an operator has systemd for: stop, start.
cd {root} || exit 1
running() {{ [ -d "/proc/$1" ] && ! grep -q "^State:.Z" "/proc/$1/status"; }}
case $1 in
stop)
    pid=$(cat {folder}/pid) && kill -TERM "$pid" || exit 1
    while running "$pid"; do sleep 0.05; done ;;
start)
    setsid --fork sh -c {service} ;;
*) exit 64 ;;
esac
"""


@dataclass(frozen=True)
class ServiceAccess:
    """Values of the gate's options for a service with a shell: `--target`, `--authority` and `--ssh-…`."""

    url: str
    certificate: Path
    key: Path
    known_hosts: Path
    control: str


@pytest.fixture(scope="module")
def access() -> Iterator[ServiceAccess]:
    program = sshd.needed()
    with Lab() as lab:
        internet, hub = lab.switch("internet"), lab.host("hub")
        lab.connect(hub, internet, f"{HUB}/24")
        lab.connect_here(internet, f"{OFFICE}/24")
        assert isinstance(hub, NamespaceHost)
        user = sshd.new_key()
        key, known_hosts, control = (lab.folder / name for name in ("key", "known_hosts", "control"))
        key.write_text(user.private)
        _, login = sshd.start(program, hub, HUB, user, key)
        known_hosts.write_text(f"{HUB} {login.host_key}\n")
        options = (
            f"--data={hub.folder}/data",
            f"--listen={HUB}:{PORT}",
            f"--endpoint={HUB}",
            "--trusted-source=192.0.2.0/24",
        )
        up = shlex.join((sys.executable, "-m", "appliance", "up", *options))
        command = f"env MESHWG_UNLOCK_SECRET=some-secret-of-theirs {up}"
        service = f"echo $$ >{hub.folder}/pid; exec {command} </dev/null >>{hub.folder}/service.log 2>&1"
        checkout = shlex.quote(str(Path.cwd()))
        control.write_text(CONTROL.format(root=checkout, folder=hub.folder, service=shlex.quote(service)))
        control.chmod(0o755)
        made = ServiceAccess(
            f"https://{HUB}:{PORT}", hub.folder / "data/tls/certificate.pem", key, known_hosts, f"{control} {{}}"
        )
        hub.run(control, "start")
        wait_until_ready(made, hub.folder / "service.log")
        yield made
        hub.run(control, "stop", timeout=START_DEADLINE)


def wait_until_ready(access: ServiceAccess, log: Path) -> None:
    def is_ready() -> bool:
        try:
            return Api(access.url, access.certificate).send("GET", "/readyz").status == httpx.codes.OK
        except (OSError, httpx.TransportError):
            return False

    assert wait_until(is_ready, START_DEADLINE, 0.05), log.read_text()


@dataclass(frozen=True)
class Outcome:
    """Verdict of a scenario, and its reason, which is None if the scenario is proven."""

    verdict: str
    reason: str | None


PROVEN = Outcome("proven", None)
OUT_OF_REACH = Outcome("inconclusive", NEEDS_MORE_THAN_A_SHELL)


def gate(access: ServiceAccess, claim: str, known_hosts: Path) -> tuple[int, dict[str, Outcome], str]:
    """Runs the gate in a sandbox inside of this one; returns exit code, outcome by scenario, and output."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "appliance", "gate", f"--claim={claim}", "--target", access.url),
            *(f"--authority={access.certificate}", f"--ssh=root@{HUB}", f"--ssh-key={access.key}"),
            *(f"--ssh-known-hosts={known_hosts}", f"--ssh-control={access.control}"),
        ],
        env=outside(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )
    transcript = json.loads(Path("reports/out/latest/transcript.json").read_text(encoding="utf-8"))
    outcomes = {
        each["name"]: Outcome(each["verdict"], each["failure"])
        for one in transcript["claims"]
        for each in one["scenarios"]
    }
    return done.returncode, outcomes, done.stdout + done.stderr


@pytest.mark.long
def test_claims_about_the_host_are_proven_through_a_shell(
    access: ServiceAccess, request: pytest.FixtureRequest
) -> None:
    for claim in request.config.getoption("--over-ssh").split(","):
        code, outcomes, output = gate(access, claim, access.known_hosts)
        expected = {name: OUT_OF_REACH if name in NEED_OWN_SERVICE else PROVEN for name in outcomes}
        assert outcomes == expected, output
        assert code == (1 if OUT_OF_REACH in expected.values() else 0)


@pytest.mark.long
def test_a_host_with_another_key_is_rejected(access: ServiceAccess, tmp_path: Path) -> None:
    others = tmp_path / "known_hosts"
    others.write_text(f"{HUB} {sshd.new_key().public}\n")
    code, outcomes, output = gate(access, "concurrent-adds", others)
    assert code == 1
    assert outcomes["test_machines_added_at_once_get_an_address_each"].verdict == "inconclusive"
    assert "there is no way to the service's host" in " ".join(output.split())


@pytest.mark.parametrize("options", [["--ssh=root@192.0.2.1"], ["--target=https://192.0.2.1", "--ssh=192.0.2.1"]])
def test_ssh_without_a_target_or_a_user_is_bad_usage(options: list[str]) -> None:
    assert forks.run(["gate", *options], os.environ).returncode == 64


def test_unreadable_host_keys_are_missing_input(tmp_path: Path) -> None:
    command = ["gate", "--target=https://192.0.2.1", "--ssh=root@192.0.2.1", f"--ssh-known-hosts={tmp_path / 'none'}"]
    done = forks.run(command, outside())
    assert done.returncode == 66
    assert str(tmp_path / "none") in done.stderr
