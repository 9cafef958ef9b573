"""Policies as nftables text: pure, and shaped so that any damage denies.

Three properties carry the weight:

* Only an ``accept`` that also sets the mark lets a packet reach a route, and a packet carries the proof of its way
  there: each lookup for denials that it gets past raises a number in its mark by one, and only the right number goes on
  to what accepts. Where a rule, a chain or the table is deleted, the number is wrong, and the base chain drops.
* Sets are anonymous, hence constant: the kernel lets nobody flush them or take elements out.
* The judgement is by the connection's original direction (``ct original``), so a new policy acts on running flows with
  the next packet, and replies of allowed connections pass without a rule of their own.

A rule's end is an address (``machine:``), a class of machines (``group:``) or anyone, which gives nine shapes of keys.
Rules of one action, one protocol and one shape are one lookup, so the cost of a packet depends on the shapes in use,
never on the number of rules. A lookup with many elements is spread over buckets by a hash of its key, each a chain with
constant sets of its own: one more rule is one bucket anew, however many there are. Chains are called, and return, so
that what the kernel checks before it takes a change grows with their sum.

Every rule has a named counter. A packet that several rules speak of is counted by one of those that decide, the most
specific: a rule for its protocol before one for any, a machine before a group before anyone, ports before all ports,
and then the first in the list.

An ICMP error is judged as the connection that it quotes, ports included, and only the end to which the quoted packet
was addressed may send it. What belongs to no connection is dropped.

Source: nft(8), sections "MAPS", "VERDICT MAPS" and "CONNTRACK EXPRESSIONS"; <linux/netfilter/nf_conntrack_common.h>,
`IP_CT_RELATED`.
"""

from appliance.hub.ruleset.chains import ALLOWED_MARK, counter_name, rule_of
from appliance.hub.ruleset.compiler import Compiler
from appliance.hub.ruleset.compilers import Compilers
from appliance.hub.ruleset.document import TABLE, UNKNOWN, Count, Removal, Ruleset, Statements, is_leaf
from appliance.hub.ruleset.frame import UNMATCHED
from appliance.hub.ruleset.name_set import NameSet
from appliance.hub.ruleset.openings import FULL, NONE_FULL, PACED, FullMachines, refusing

__all__ = [
    "ALLOWED_MARK",
    "FULL",
    "NONE_FULL",
    "PACED",
    "TABLE",
    "UNKNOWN",
    "UNMATCHED",
    "Compiler",
    "Compilers",
    "Count",
    "FullMachines",
    "NameSet",
    "Removal",
    "Ruleset",
    "Statements",
    "counter_name",
    "is_leaf",
    "refusing",
    "rule_of",
]
