"""Restore of a backup on another host with the same address: machines reconnect with the configuration they have."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.judging.record import Record
from harness.overlay.mesh import Mesh
from harness.subject.options import ServiceOptions
from harness.subject.service import Service
from harness.world.world import HUB, OFFICE, PASSWORD
from netlab import Lab, LabHost

DEADLINE = 60.0


def operate(service: Service, command: str, file: Path, *options: str) -> None:
    """Backs a service's store up to a file, or restores it from there."""
    service.host.run(
        *(sys.executable, "-m", "appliance", command, str(file), f"--data={service.data}", *options),
        env={"MESHWG_UNLOCK_SECRET": service.unlock_secret},
        timeout=DEADLINE,
    )


def client(lab: Lab, number: int) -> LabHost:
    host = lab.host(f"client-{number}")
    lab.connect(host, lab.switches["internet"], f"192.0.2.{number}/24")
    return host


@pytest.mark.long
def test_machines_reconnect_to_another_host(tmp_path: Path) -> None:
    file = tmp_path / "backup"
    with Lab() as lab:
        internet = lab.switch("internet")
        lab.connect_here(internet, f"{OFFICE}/24")
        options = ServiceOptions(address=HUB, trusted=[f"{OFFICE}/32"])
        old, new = Service(lab.host("old"), options), Service(lab.host("new"), options)
        new.unlock_secret = old.unlock_secret
        link = lab.connect(old.host, internet, f"{HUB}/24")
        numbers = iter(range(2, 10))
        with old:
            api = old.api()
            api.sign_up("owner@example.net", PASSWORD, "acme")
            mesh = Mesh(api, lambda _: client(lab, next(numbers)), Record())
            mumbai, pune = mesh.machines("mumbai", "pune")
            mesh.save("allow", [{"action": "deny", "source": "any", "destination": "any", "protocol": "tcp"}])
            policy = api.call("GET", "/policy").body
            assert mumbai.reaches(pune)
            operate(old, "backup", file)
            link.down()
        assert not mumbai.reaches(pune, timeout=1.0)

        lab.connect(new.host, internet, f"{HUB}/24")
        operate(new, "restore", file, "--yes")
        with new:
            # The ping's ARP request replaces the old host's entry in our ARP cache, which lasts up to a minute.
            assert new.host.ping(OFFICE)
            after = new.api()
            # A restore ends all sessions, and keeps organization and policy. Machines are not touched.
            after.token = after.call("POST", "/sessions", {"email": "owner@example.net", "password": PASSWORD}).body[
                "token"
            ]
            assert after.call("GET", "/organization").body == mesh.organization
            assert after.call("GET", "/policy").body == policy
            # WireGuard starts a new handshake some 15 s after a packet without an answer.
            mumbai.wait_until_reaches(pune, DEADLINE)
            pune.wait_until_reaches(mumbai, DEADLINE)
