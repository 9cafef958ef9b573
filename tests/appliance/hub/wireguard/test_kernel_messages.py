"""Messages to and from the kernel's WireGuard, on a host that may not have it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from inspect import signature
from ipaddress import IPv4Address, ip_address
from typing import Any

import pytest
from pyroute2 import WireGuard
from pyroute2.netlink.generic.wireguard import wgmsg

from appliance.hub.kernel import namespace, pyroute
from appliance.hub.names import Names
from appliance.hub.plane.state_checks import usable_endpoints
from appliance.hub.wireguard.kernel import Kernel
from appliance.model.desired import Peer
from appliance.model.keys import new_key_pair

OWN = Names("abc").of("bbbbbbbbbb")
MUMBAI, PUNE = (Peer(f"m{number}", new_key_pair().public, IPv4Address("10.100.0.2") + number) for number in range(2))


@dataclass
class MadeUpLink:
    """The kernel's link, which does what pyroute2's documentation of `WireGuard.set` says.

    Attributes:
        peers: addresses by public key.
        endpoints: endpoints by public key.
    """

    peers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    endpoints: dict[str, tuple[str, int]] = field(default_factory=dict)

    def __enter__(self) -> MadeUpLink:
        return self

    def __exit__(self, *_: object) -> None: ...

    def set(self, interface: str, *, peer: Mapping[str, Any]) -> None:
        assert signature(WireGuard.set).bind(self, interface, peer=peer).arguments["interface"] == OWN.link
        key = peer["public_key"]
        if peer.get("remove"):
            self.peers.pop(key, None)
            return
        if peer.get("update_only") and key not in self.peers:
            return
        before = () if peer.get("replace_allowed_ips") else self.peers.get(key, ())
        self.peers[key] = (*before, *peer.get("allowed_ips", ()))
        if "endpoint_addr" in peer:
            self.endpoints[key] = str(ip_address(peer["endpoint_addr"])), peer["endpoint_port"]

    def info(self, interface: str) -> list[Any]:
        """Answers as pyroute2 decodes the bytes of such an answer."""
        assert interface == OWN.link
        peers = [{"attrs": self._attributes(key)} for key in self.peers]
        answer = wgmsg()
        answer["attrs"] = [["WGDEVICE_A_IFNAME", interface], ["WGDEVICE_A_PEERS", peers]]
        answer.encode()
        decoded = wgmsg(bytes(answer.data))
        decoded.decode()
        return [decoded]

    def _attributes(self, key: str) -> list[list[Any]]:
        found: list[list[Any]] = [["WGPEER_A_PUBLIC_KEY", key], ["WGPEER_A_RX_BYTES", 148]]
        if key in self.endpoints:
            address, port = self.endpoints[key]
            found.append(["WGPEER_A_ENDPOINT", {"addr": address, "port": port}])
        return found


@pytest.fixture
def link(monkeypatch: pytest.MonkeyPatch) -> MadeUpLink:
    """Provides a link without machines."""
    made = MadeUpLink()
    monkeypatch.setattr(pyroute, "wireguard", lambda: made)
    monkeypatch.setattr(namespace, "entered", lambda _: nullcontext())
    return made


@pytest.mark.parametrize("where", ["192.0.2.7:40000", "[2001:db8::7]:40000"])
def test_an_endpoint_that_was_read_can_be_used_again(link: MadeUpLink, where: str) -> None:
    """Reads it as a hub does that stores it, and begins handshakes as a later hub does that has restored it."""
    key = MUMBAI.public_key
    Kernel().change(OWN, add=(MUMBAI,), remove=(), endpoints={key: where})
    heard = {status.public_key: status.endpoint for status in Kernel().peers(OWN)}
    assert usable_endpoints(heard) == {key: where}
    before = dict(link.endpoints)
    link.endpoints.clear()
    Kernel().start_handshakes(OWN, usable_endpoints(heard))
    assert link.endpoints == before


def test_a_machine_never_heard_from_has_no_endpoint(link: MadeUpLink) -> None:
    Kernel().change(OWN, add=(MUMBAI,), remove=())
    assert [(status.endpoint, status.last_handshake) for status in Kernel().peers(OWN)] == [("", 0)]
    assert link.endpoints == {}


def test_a_removed_machine_is_gone_and_the_others_stay(link: MadeUpLink) -> None:
    Kernel().change(OWN, add=(MUMBAI, PUNE), remove=())
    Kernel().change(OWN, add=(), remove=(MUMBAI.public_key,))
    assert link.peers == {PUNE.public_key: (f"{PUNE.address}/32",)}


def test_a_machine_with_another_address_loses_its_old_one(link: MadeUpLink) -> None:
    moved = Peer(MUMBAI.id, MUMBAI.public_key, IPv4Address("10.100.0.9"))
    Kernel().change(OWN, add=(MUMBAI,), remove=())
    Kernel().change(OWN, add=(moved,), remove=())
    assert link.peers == {MUMBAI.public_key: ("10.100.0.9/32",)}
