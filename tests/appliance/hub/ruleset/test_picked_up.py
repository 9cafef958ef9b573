"""Connections that connection tracking has forgotten, as after a cold start: the first sender counts as the opener."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.hub.front_door.datagram import checksum
from appliance.model.policy import Action, Policy, Protocol
from tests.appliance.hub.ruled import Kernel, members, rule, state_of
from tests.appliance.hub.wire import NUMBERS, Flow, ip
from tests.properties import sharing_fixtures

CLIENT, SERVER = members(2)
PORT = 443
POLICIES = {
    "default deny, one port": Policy(
        Action.DENY,
        (
            rule("t", Action.ALLOW, CLIENT, SERVER, Protocol.TCP, str(PORT)),
            rule("u", Action.ALLOW, CLIENT, SERVER, Protocol.UDP, str(PORT)),
        ),
    ),
    "default deny, everything": Policy(Action.DENY, (rule("a", Action.ALLOW, CLIENT, SERVER),)),
    "default allow, the other way denied": Policy(Action.ALLOW, (rule("d", Action.DENY, SERVER, CLIENT),)),
}


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_forgotten_connection_resumes_from_the_end_allowed(kernel: Kernel, policy: Policy, protocol: str) -> None:
    """Drops packets of the other end until then: they may be replies, or forged."""
    kernel.load(state_of((CLIENT, SERVER), policy))
    flow = kernel.new_flow(CLIENT, SERVER, protocol, PORT)
    backwards = Flow(SERVER.address, CLIENT.address, protocol, flow.own_port, PORT)
    assert kernel.wire.passes(flow.opening())
    assert kernel.wire.passes(flow.reply())
    assert kernel.wire.passes(backwards.going_on())
    kernel.wire.forget_connections()
    for _ in range(3):
        assert not kernel.wire.passes(backwards.going_on())
    # Nothing was learned from it either.
    assert kernel.tracked() == 0
    assert kernel.wire.passes(flow.going_on())
    assert kernel.wire.passes(backwards.going_on())


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
@given(
    protocol=st.sampled_from(["tcp", "udp"]),
    source=st.sampled_from([PORT, 80, 1, 65535]),
    destination=st.integers(1, 65535),
    flags=st.integers(0, 0xFF),
    sequence=st.integers(0, 2**32 - 1),
)
@sharing_fixtures(100)
def test_a_forged_reply_is_dropped(
    kernel: Kernel, policy: Policy, protocol: str, source: int, destination: int, flags: int, sequence: int
) -> None:
    """Sends packets from any port, and claims about an unknown connection."""
    kernel.load(state_of((CLIENT, SERVER), policy))
    kernel.wire.forget_connections()
    if protocol == "udp":
        body, at = struct.pack("!HHHH", source, destination, 12, 0) + b"test", 6
    else:
        body, at = struct.pack("!HHIIBBHHH", source, destination, sequence, 1, 5 << 4, flags, 1024, 0, 0), 16
    pseudo = SERVER.address.packed + CLIENT.address.packed + struct.pack("!BBH", 0, NUMBERS[protocol], len(body))
    summed = body[:at] + struct.pack("!H", checksum(pseudo + body)) + body[at + 2 :]
    assert not kernel.wire.passes(ip(SERVER.address, CLIENT.address, protocol, summed))
    assert kernel.tracked() == 0
