"""Refusals of the system have its words, not a library's tuple."""

from __future__ import annotations

import errno

from pyroute2.netlink.exceptions import NetlinkError

from appliance.hub.errors import reason


def test_a_refusal_over_netlink_reads_as_that_of_a_call() -> None:
    assert reason(NetlinkError(errno.EOPNOTSUPP, "x")) == reason(OSError(errno.EOPNOTSUPP, "y")) != ""
    assert reason(NetlinkError(errno.EOPNOTSUPP)) == "Operation not supported"
    assert reason(OSError("no socket")) == "no socket"
