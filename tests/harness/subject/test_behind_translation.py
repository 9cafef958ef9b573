"""A hub behind a router that translates addresses and ports: machines use the port in their configuration."""

from __future__ import annotations

import pytest

from harness.client.api import Api
from harness.judging.record import Record
from harness.overlay.mesh import Mesh
from harness.subject.options import ServiceOptions
from harness.subject.service import PORT, Service
from harness.world.world import OFFICE, PASSWORD
from netlab import Lab, LabHost
from tests.harness.subject.test_another_host import client

ROUTER, HUB = "192.0.2.1", "10.7.0.2"
OUTER_PORT, OWN_PORT = 443, 51820


def forward_ports(router: LabHost) -> None:
    """Forwards the router's outer UDP port, and the pages' TCP port, to the hub."""
    rules = f"""
        table ip inward {{
            chain in {{
                type nat hook prerouting priority dstnat;
                ip daddr {ROUTER} udp dport {OUTER_PORT} dnat to {HUB}:{OWN_PORT};
                ip daddr {ROUTER} tcp dport {PORT} dnat to {HUB}:{PORT};
            }}
        }}
    """
    router.run("nft", "-f", "-", input=rules)


@pytest.mark.long
def test_machines_reach_a_hub_behind_another_port() -> None:
    with Lab() as lab:
        internet, inside = lab.switch("internet"), lab.switch("inside")
        lab.connect_here(internet, f"{OFFICE}/24")
        router, hub = lab.router("router"), lab.host("hub")
        lab.connect(router, internet, f"{ROUTER}/24")
        lab.connect(router, inside, "10.7.0.1/24")
        lab.connect(hub, inside, f"{HUB}/24")
        hub.route("default", via="10.7.0.1")
        forward_ports(router)
        options = ServiceOptions(address=HUB, endpoint=f"{ROUTER}:{OUTER_PORT}", trusted=[f"{OFFICE}/32"])
        numbers = iter(range(2, 10))
        with Service(hub, options) as service:
            api = Api(f"https://{ROUTER}:{PORT}", service.certificate)
            api.sign_up("owner@example.net", PASSWORD, "acme")
            mesh = Mesh(api, lambda _: client(lab, next(numbers)), Record())
            mumbai, pune = mesh.machines("mumbai", "pune")
            assert [peer.endpoint for peer in mumbai.tunnel.peers()] == [f"{ROUTER}:{OUTER_PORT}"]
            assert mumbai.reaches(pune)
            assert pune.reaches(mumbai)
