"""Counters of a table, read by netlink.

A listing by libnftables also reads chains and sets of the table, and takes four times as long.

Source: <linux/netfilter/nf_tables.h>
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from contextlib import closing

from appliance.hub.errors import RulesetError
from appliance.hub.kernel import namespace, netlink
from appliance.hub.kernel.netlink import KernelRefusal, Message
from appliance.hub.kernel.sockets import NetfilterSockets
from appliance.hub.ruleset import Count

_GET_OBJECT = netlink.NFTABLES | 19
_TABLE, _NAME, _TYPE, _DATA = 1, 2, 3, 4
_COUNTER = netlink.attribute(_TYPE, (1).to_bytes(4, "big"))
_BYTES, _PACKETS = 1, 2
# Constant changes of the table by others must not keep this reading for good.
_MOST_TRIES = 3


def read(name: str, table: str) -> dict[str, Count]:
    """Read the counters of an inet table in the namespace of that name; empty if there is no such table.

    Raises:
        RulesetError: the kernel refused.
        NamespaceError: there is no such namespace.
    """
    message = Message(_GET_OBJECT, netlink.INET, netlink.text(_TABLE, table) + _COUNTER)
    found: dict[str, Count] = {}
    with namespace.entered(name):
        connection = netlink.opened()
    with closing(connection):
        for _ in range(_MOST_TRIES):
            found.clear()
            try:
                found.update(_counters(netlink.answers(connection, message)))
            except KernelRefusal as error:
                if error.errno == errno.EINTR:
                    continue
                if error.errno != errno.ENOENT:
                    complaint = f"nftables could not list the counters of table {table}: {error.strerror}"
                    raise RulesetError(complaint) from error
            break
    return found


def read_one(sockets: NetfilterSockets, name: str, table: str, counter: str) -> int:
    """Read the packets of one counter of an inet table in the namespace of that name; 0 if there is no such counter.

    Raises:
        RulesetError: the kernel did not answer.
        NamespaceError: there is no such namespace.
    """
    which = netlink.text(_TABLE, table) + netlink.text(_NAME, counter) + _COUNTER
    answer = sockets.ask(name, Message(_GET_OBJECT, netlink.INET, which))
    found = dict(_counters([] if answer is None else [answer]))
    return found[counter].packets if counter in found else 0


def _counters(answers: Iterable[bytes]) -> Iterator[tuple[str, Count]]:
    for answer in answers:
        counter = dict(netlink.attributes(answer))
        data = dict(netlink.attributes(counter.get(_DATA, b"")))
        packets, octets = (int.from_bytes(data.get(kind, b""), "big") for kind in (_PACKETS, _BYTES))
        yield counter.get(_NAME, b"").rstrip(b"\0").decode(), Count(packets, octets)
