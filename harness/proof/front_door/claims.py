"""Claims about a front door, and the sets and maps that they are about."""

from __future__ import annotations

from enum import Enum

from harness.proof.errors import Unmodelled
from harness.proof.front_door.statements import Door

SESSIONS, OFFERS = "sessions", "offers"
"""Maps from the index of a session, and of a handshake that the hub began, to the port of a link."""

GIVEN4, GIVEN6 = "resumed4", "resumed6"
"""Maps from a machine's address and port to the port of a link, which the hub's process alone fills."""

KNOWN4, KNOWN6 = "known4", "links6"
"""Maps from a machine's address and port (IPv6: its address) to the link that has answered it."""

HANDED = {4: "handed4", 6: "handed6"}
"""Sets of first messages that the hub's process has handed to links, by machine, link and the machine's index."""

REPLIED = {4: "replied4", 6: "replied6"}
"""Sets of those that their link has answered, with the same keys."""

INNER, DESK = "inner", "desk"
"""Ports of the links, and of the hub's process that looks at first messages of known sources."""

GATE = (("counts0", "offered0"), ("counts1", "offered1"))
"""Pairs of sets of a lease's gate. By the first one the hub says that the pair counts; the other one's elements end."""

LEASE_S = 2
"""Seconds of a lease, after which another hub may have taken the shard."""

REJECT_AFTER_S = 180
"""Seconds for which WireGuard uses a session (REJECT-AFTER-TIME).

Source: the WireGuard paper, https://www.wireguard.com/papers/wireguard.pdf, section 6.1.
"""

_FORMS = {
    SESSIONS: (32, 16),
    OFFERS: (32, 16),
    GIVEN4: (48, 16),
    GIVEN6: (144, 16),
    KNOWN4: (48, 16),
    KNOWN6: (128, 16),
    **{name: (bits, 0) for of in (HANDED, REPLIED) for name, bits in zip(of.values(), (96, 192), strict=True)},
    INNER: (16, 0),
    DESK: (16, 0),
}
_OF_THE_PROCESS = frozenset((GIVEN4, GIVEN6, INNER, DESK))
_OF_SESSIONS = frozenset((SESSIONS, GIVEN4, GIVEN6))

INITIATION, ANSWER, COOKIE, DATA = 0x01000000, 0x02000000, 0x03000000, 0x04000000
"""First words of WireGuard's messages, as they are on the wire."""

KIND_AT, FIRST_AT, SECOND_AT = 64, 96, 128
"""Bits, from the beginning of the UDP header, at which a message's kind and its first two indices are.

The receiver's index is the first one of data and of cookies, and the second one of an answer. The sender's is the first
one of an initiation and of an answer.
"""


class Claim(Enum):
    """A sentence that has to hold for every datagram, whatever the maps contain."""

    DATA = "a data message reaches the link of the session that its receiver's index belongs to, or none"
    ANSWERS = "an answer or a cookie reaches the link that gave out its receiver's index, or none"
    FIRST = "a first message reaches no link, but the hub's process"
    CLOSED = "nothing else reaches a link, nor anything from outside the process's own port"
    ARRIVES = "a data message of a session that is known arrives"
    RESUMES = "a message of no known session arrives at the link where the hub's process last heard its source"
    HANDED = "only the hub's process hands messages to links, and notes them, and only their link's answer ends one"
    ASKED = "a link's answer leaves, and makes a session, once for each first message that was handed to it"
    KEPT = "what names a link in the maps of indices is neither replaced nor renewed by anything that is sent"
    ENTRIES = "an entry is made, renewed or removed by its own link's message, or by the first answer to one"
    OWNER = "the link that an entry names gave out its index"
    NEWEST = "the index that a link gives out in an answer is no other link's from then on"
    SOURCES = "a link makes a source known for itself alone, and for no other link's"
    LEAVING = "what a link sends leaves from the public port"
    ADDRESS = "what a link sends in a session comes from the door's address, where it has one"
    UNTRACKED = "connection tracking, and so NAT, sees nothing of this"


def check(door: Door) -> None:
    """Refuses a table that is no front door as the claims know it.

    Raises:
        Unmodelled: a set or map is missing, has another form, is filled by somebody else, or forgets never or too soon.
    """
    where = f"table inet {door.name}"
    for name, form in _FORMS.items():
        memory = door.memories.get(name)
        if memory is None or (memory.key, memory.value) != form:
            raise Unmodelled(f"a front door with {'another' if memory else 'no'} {name}", where)
        if name in _OF_THE_PROCESS & door.written:
            raise Unmodelled(f"a rule that writes to {name}", where)
        if name in door.written | _OF_SESSIONS and memory.lease == 0:
            raise Unmodelled(f"the map {name}, whose entries never end,", where)
        if name in _OF_SESSIONS and memory.lease <= REJECT_AFTER_S:
            # The session's packets would be dropped while both ends still use it.
            raise Unmodelled(f"the map of sessions {name}, which forgets one after {memory.lease} s,", where)
