"""Errors of the system are reported in its words, not as a library's tuple."""

from __future__ import annotations

import errno

from pyroute2.netlink.exceptions import NetlinkError

from appliance.hub.errors import reason


def test_a_netlink_error_reads_like_one_of_a_system_call() -> None:
    assert reason(NetlinkError(errno.EOPNOTSUPP, "x")) == reason(OSError(errno.EOPNOTSUPP, "y")) != ""
    assert reason(NetlinkError(errno.EOPNOTSUPP)) == "Operation not supported"
    assert reason(OSError("no socket")) == "no socket"
