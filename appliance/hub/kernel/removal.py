"""Removal of chains and counters by netlink: libnftables would read the whole table first, 10 ms with 5,000 rules.

Source: <linux/netfilter/nf_tables.h>, `enum nft_chain_attributes` and its siblings.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from appliance.hub.kernel.netlink import INET, NFTABLES, Message, attribute, text
from appliance.hub.ruleset import TABLE, Removal

_DELETE_CHAIN, _DELETE_RULE, _DELETE_OBJECT = (NFTABLES | kind for kind in (5, 8, 20))
# The table's name has the first number with all of them.
_OF_TABLE = text(1, TABLE)
_CHAIN_OF_RULE, _CHAIN_NAME, _OBJECT_NAME, _OBJECT_TYPE = 2, 3, 2, 3
_COUNTER = attribute(_OBJECT_TYPE, struct.pack("!I", 1))
# A socket takes 200 KB at once.
_AT_ONCE = 1000


def transactions(removal: Removal) -> Iterator[Sequence[Message]]:
    """Transactions of a removal, in order."""
    messages = list(_messages(removal))
    for at in range(0, len(messages), _AT_ONCE):
        yield messages[at : at + _AT_ONCE]


def _messages(removal: Removal) -> Iterator[Message]:
    # Emptied first: they may lead to one another.
    for chain in (*removal.emptied, *removal.chains):
        yield _message(_DELETE_RULE, text(_CHAIN_OF_RULE, chain))
    for chain in removal.chains:
        yield _message(_DELETE_CHAIN, text(_CHAIN_NAME, chain))
    for counter in removal.counters:
        yield _message(_DELETE_OBJECT, text(_OBJECT_NAME, counter) + _COUNTER)


def _message(kind: int, which: bytes) -> Message:
    return Message(kind, INET, _OF_TABLE + which)
