"""Numbers of the messages and attributes of nf_tables, and the reader of a counter.

Source: <linux/netfilter/nf_tables.h>, `enum nf_tables_msg_types`, `enum nft_table_attributes` and its siblings.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping

from appliance.hub.kernel import netlink
from appliance.hub.kernel.netlink import NFTABLES, Message
from appliance.hub.ruleset import Count

NEW_TABLE = NFTABLES | 0
NEW_CHAIN, GET_CHAIN, DELETE_CHAIN = NFTABLES | 3, NFTABLES | 4, NFTABLES | 5
NEW_RULE, GET_RULE, DELETE_RULE = NFTABLES | 6, NFTABLES | 7, NFTABLES | 8
NEW_SET, GET_SET = NFTABLES | 9, NFTABLES | 10
NEW_ELEMENTS, GET_ELEMENTS, DELETE_ELEMENTS = NFTABLES | 12, NFTABLES | 13, NFTABLES | 14
NEW_OBJECT, GET_OBJECT, DELETE_OBJECT = NFTABLES | 18, NFTABLES | 19, NFTABLES | 20
GET_GENERATION = Message(NFTABLES | 16, socket.AF_UNSPEC)

TABLE = 1
"""Name of the table, with chains, rules, sets, elements and objects alike."""
TABLE_FLAGS = 2
CHAIN_NAME = 3
RULE_CHAIN, RULE_EXPRESSIONS = 2, 4
SET_NAME, SET_FLAGS, SET_ID, SET_COUNT = 2, 3, 10, 20
ELEMENTS_SET, ELEMENTS = 2, 3
LIST_ELEMENT = 1
ELEMENT_KEY, ELEMENT_DATA, DATA_VALUE = 1, 2, 1
EXPRESSION_NAME, EXPRESSION_DATA = 1, 2
OBJECT_NAME, OBJECT_TYPE, OBJECT_DATA = 2, 3, 4
GENERATION_ID = 1
_COUNTER_BYTES, _COUNTER_PACKETS = 1, 2

COUNTER = netlink.attribute(OBJECT_TYPE, (1).to_bytes(4, "big"))
"""Type of an object that is a counter."""


def counter(attributes: Mapping[int, bytes]) -> tuple[str, Count]:
    """Read name and value of a listed counter."""
    data = dict(netlink.attributes(attributes.get(OBJECT_DATA, b"")))
    packets, octets = (int.from_bytes(data.get(kind, b""), "big") for kind in (_COUNTER_PACKETS, _COUNTER_BYTES))
    return attributes.get(OBJECT_NAME, b"").rstrip(b"\0").decode(), Count(packets, octets)
