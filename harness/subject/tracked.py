"""Connections that the hub's kernel tracks for an organization, read as root from its namespace.

Source: <linux/netfilter/nfnetlink_conntrack.h>.
"""

from __future__ import annotations

from collections import Counter

from netlab import Host

# The first attribute of an entry is the tuple of its original direction, which begins with the two addresses. The last
# message is NLMSG_DONE (3), or NLMSG_ERROR (2).
_PROGRAM = """
import socket, struct
kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
kernel.settimeout(10)
kernel.send(struct.pack("=IHHIIBBH", 20, 0x101, 0x301, 1, 0, socket.AF_INET, 0, 0))
kind = 0
while kind not in (2, 3):
    data = kernel.recv(2**20)
    while data and kind not in (2, 3):
        size, kind = struct.unpack_from("=IH", data)
        if kind not in (2, 3):
            print(socket.inet_ntoa(data[32:36]))
        data = data[size + 3 & ~3:]
if kind == 2:
    raise SystemExit("the kernel refused to list its connections")
"""


def openers(host: Host, namespace: str) -> Counter[str]:
    """Counts the tracked connections in a namespace, by the address that opened them.

    Args:
        host: the hub's host, which needs Python.
        namespace: name of the namespace.
    """
    return Counter(host.run("ip", "netns", "exec", namespace, "python3", "-IS", "-c", _PROGRAM).stdout.split())
