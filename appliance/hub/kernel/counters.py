"""Counters of a table, read by netlink.

A listing by libnftables also reads chains and sets of the table, and takes four times as long.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from contextlib import closing

from appliance.hub.errors import RulesetError
from appliance.hub.kernel import namespace, netlink
from appliance.hub.kernel import nf_tables as nf
from appliance.hub.kernel.netlink import KernelRefusal, Message
from appliance.hub.kernel.sockets import NetfilterSockets
from appliance.hub.ruleset import Count

# Constant changes of the table by others must not keep this reading for good.
_MOST_TRIES = 3


def read(name: str, table: str) -> dict[str, Count]:
    """Read the counters of an inet table in the namespace of that name; empty if there is no such table.

    Raises:
        RulesetError: the kernel refused.
        NamespaceError: there is no such namespace.
    """
    message = Message(nf.GET_OBJECT, netlink.INET, netlink.text(nf.TABLE, table) + nf.COUNTER)
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
    which = netlink.text(nf.TABLE, table) + netlink.text(nf.OBJECT_NAME, counter) + nf.COUNTER
    answer = sockets.ask(name, Message(nf.GET_OBJECT, netlink.INET, which))
    found = dict(_counters([] if answer is None else [answer]))
    return found[counter].packets if counter in found else 0


def _counters(answers: Iterable[bytes]) -> Iterator[tuple[str, Count]]:
    for answer in answers:
        yield nf.counter(dict(netlink.attributes(answer)))
