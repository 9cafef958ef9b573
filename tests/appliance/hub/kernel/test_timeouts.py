"""Timeouts of tracked connections: long enough to know who opened them, and no longer than they are of use."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.hub.findings import Damage, DamagedPart
from appliance.hub.kernel import namespace, routing
from appliance.model.policy import Action, Policy
from tests.appliance.hub.ruled import Kernel, members, state_of
from tests.appliance.hub.wire import NETWORK

_FOLDER, _PREFIX = Path("/proc/sys/net/netfilter"), "nf_conntrack_"
_ODD = "7"

_LONGEST_PAUSE = 120
"""Seconds between two repetitions of TCP, at most (`TCP_RTO_MAX` in the kernel's <net/tcp.h>)."""
_KEEPALIVE = 2 * 3600 + 9 * 75
"""Seconds until an idle end has sent its last keepalive in vain (tcp(7))."""
_NAT = 120
"""Seconds for which a mapping of UDP has to stay, at least (RFC 4787, REQ-5)."""

# By setting: more than so many seconds, and at most so many.
_UNACKNOWLEDGED, _OVER, _UNANSWERED = (_LONGEST_PAUSE, 300), (_LONGEST_PAUSE, 180), (9, 60)
_BOUNDS = {
    "tcp_timeout_established": (_KEEPALIVE, 6 * 3600),
    "tcp_timeout_unacknowledged": _UNACKNOWLEDGED,
    "tcp_timeout_max_retrans": _UNACKNOWLEDGED,
    "tcp_timeout_fin_wait": _OVER,
    "tcp_timeout_close_wait": _OVER,
    "tcp_timeout_last_ack": _OVER,
    "tcp_timeout_time_wait": _UNANSWERED,
    "tcp_timeout_close": _UNANSWERED,
    "tcp_timeout_syn_sent": _UNANSWERED,
    "tcp_timeout_syn_recv": _UNANSWERED,
    "udp_timeout": _UNANSWERED,
    "udp_timeout_stream": (_NAT - 1, 300),
    "generic_timeout": (_NAT - 1, 300),
    "icmp_timeout": (4, 30),
}


@pytest.fixture
def mended(kernel: Kernel) -> tuple[Damage, ...]:
    """Provides what a repair finds after somebody has set every timeout of the namespace to an odd value."""
    # Connection tracking has no settings in a namespace before its first use.
    kernel.load(state_of(members(2), Policy(Action.ALLOW)))
    with namespace.entered(kernel.wire.names.namespace):
        for setting in _FOLDER.glob(f"{_PREFIX}*timeout*"):
            setting.write_text(_ODD)
    return routing.mend(kernel.wire.names, NETWORK)


def test_every_timeout_that_the_hub_sets_is_within_bounds(kernel: Kernel, mended: tuple[Damage, ...]) -> None:
    """Finds out which timeouts the hub sets from what its repair put right."""
    assert {finding.part for finding in mended} == {DamagedPart.SETTING}
    assert all(finding.what.endswith(f" was {_ODD}") for finding in mended)
    names = {finding.what.split()[0].rpartition("/")[2].removeprefix(_PREFIX) for finding in mended}
    assert names == set(_BOUNDS)
    with namespace.entered(kernel.wire.names.namespace):
        found = {name: int((_FOLDER / f"{_PREFIX}{name}").read_text()) for name in sorted(names)}
    outside = {name: found[name] for name, (above, most) in _BOUNDS.items() if not above < found[name] <= most}
    assert outside == {}
