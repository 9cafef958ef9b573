"""Chains around the lookups: before, between and after them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network

from appliance.hub.ruleset import chains
from appliance.hub.ruleset.chains import ACCEPT, ALLOWED_MARK, CLASS, STATE
from appliance.hub.ruleset.classes import NO_CLASS
from appliance.hub.ruleset.document import ChainDraft
from appliance.hub.ruleset.lookups import Lookup, Topic, in_mark
from appliance.hub.ruleset.openings import add_openings
from appliance.model.addresses import hub_address
from appliance.model.policy import Action

UNMATCHED = "unmatched"
"""Counter of packets that no rule matches."""

# The lowest byte of a packet's mark counts the denials that it is past: from the first number those for its protocol,
# from the second those for any. The third is behind all of them, and the last is that of a packet whose classes were
# not looked up.
_BEGUN, _FOR_ANY, _NOT_DENIED, _NOWHERE = 0x00, 0x80, 0xFE, 0xFF

# The errors that a network without routers' advice needs; redirects and source quench (RFC 6633) are none of them.
_DELIVERED = "{ destination-unreachable, time-exceeded, parameter-problem }"
# The quoted header begins after eight bytes of ICMP (RFC 792), and its destination is in its bytes 16 to 19 (RFC 791).
_QUOTED_VERSION, _QUOTED_DESTINATION = "@th,64,4", "@th,192,32"
_COMPARED_BITS = 4

HOOKS = {
    "apart": "type filter hook prerouting priority raw; policy accept;",
    "gate": "type filter hook prerouting priority mangle; policy drop;",
    "transit": "type filter hook forward priority filter; policy drop;",
    "hub": "type filter hook input priority filter; policy drop;",
}


# Most saves leave the frame as it is, or as it was before the last one.
@lru_cache(maxsize=128)
def frame(
    network: IPv4Network, link: str, lookups: tuple[Lookup, ...], default: Action, *, has_classes: bool
) -> ChainDraft:
    """All chains but those of the lookups and of the classes; not to be changed.

    Args:
        network: of the organization.
        link: the name of the one link in the namespace.
        lookups: lookups of the policy, in order.
        default: of the policy.
        has_classes: True if a machine is in a group that a rule names.
    """
    draft = ChainDraft()
    _add_base(draft, network, link)
    add_openings(draft)
    _add_judge(draft, has_classes=has_classes)
    _add_denials(draft, [lookup for lookup in lookups if lookup.action is Action.DENY])
    _add_allowances(draft, [lookup for lookup in lookups if lookup.action is Action.ALLOW])
    draft.add("default", f'counter name "{UNMATCHED}" {ACCEPT if default is Action.ALLOW else "drop"}')
    return draft


def _add_base(draft: ChainDraft, network: IPv4Network, link: str) -> None:
    hub = hub_address(network)
    # A ping of the hub is not tracked, so that a machine at its bound can still send it.
    draft.add("apart", f"ip daddr {hub} icmp type echo-request notrack")
    draft.add(
        "gate",
        f'iifname != "{link}" drop',
        f"ip daddr {hub} icmp type echo-request {ACCEPT}",
        f"ip daddr {hub} drop",
        f"ip saddr {network} ip daddr {network} goto belonging",
    )
    # Packets of no connection go no further, because it is unknown which end opened it.
    draft.add("belonging", "ct state new,established goto judge", "ct state related goto errors")
    draft.add_with_sets("errors", f"icmp type {_DELIVERED} {_from_its_end(network)} goto judge")
    allowed = f'iifname "{link}" oifname "{link}" meta mark {ALLOWED_MARK:#x}'
    # Not by `ct state`: that is "new" until an answer is seen.
    draft.add("transit", f"{allowed} ct status confirmed accept", f"{allowed} goto opening")
    draft.add("hub", f'iifname "{link}" ip daddr {hub} icmp type echo-request accept')


def _add_judge(draft: ChainDraft, *, has_classes: bool) -> None:
    """Add the chain that sends packets through the denials, and those that none denied on to the allowances."""
    onward = f"meta mark & {STATE:#x} == {_NOT_DENIED:#x} goto allowances"
    if not has_classes:
        draft.add("judge", f"meta mark set {in_mark(NO_CLASS)} jump denials", onward)
        return
    draft.add(
        "judge",
        f"meta priority set 0:0 meta mark set {_NOWHERE:#x} jump source",
        "jump destination",
        "meta priority != 0:0 jump denials",
        onward,
    )
    chains.add_no_classes(draft)


def _add_denials(draft: ChainDraft, lookups: Sequence[Lookup]) -> None:
    """Add the denials: lookups for the packet's protocol, then those for any.

    Each lookup that a packet is past raises a number in its mark. Only the number behind the last one leads on, so that
    a lookup that somebody removed lets nothing pass.
    """
    for topic in Topic:
        of_topic = [lookup for lookup in lookups if lookup.topic is topic]
        begin, end = (_FOR_ANY, _NOT_DENIED) if topic is Topic.ANY else (_BEGUN, _FOR_ANY)
        for number, lookup in enumerate(of_topic, begin):
            draft.add(chains.past(lookup), _step(number, number + 1))
        steps = [f"jump {lookup.name}" for lookup in of_topic]
        draft.add(f"denials_{topic.value}", *steps, _step(begin + len(of_topic), end))
    draft.add("denials_other", _step(_BEGUN, _FOR_ANY))
    draft.add("denials", *_dispatch("denials"))


def _step(here: int, there: int) -> str:
    return f"meta mark & {STATE:#x} == {here:#x} meta mark set meta mark & {CLASS:#x} | {there:#x}"


def _add_allowances(draft: ChainDraft, lookups: Sequence[Lookup]) -> None:
    """Add the allowances: lookups for the packet's protocol, then those for any, and then the default."""
    for topic in Topic:
        steps = [f"jump {lookup.name}" for lookup in lookups if lookup.topic is topic]
        draft.add(f"allowances_{topic.value}", *steps)
    draft.add("allowances_other")
    draft.add("allowances", *_dispatch("allowances"), "goto default")


def _dispatch(part: str) -> tuple[str, ...]:
    """Dispatch by protocol (of an ICMP error, that of the quoted connection); equal for all policies."""
    topics = (Topic.TCP, Topic.UDP, Topic.ICMP)
    known = ", ".join(f"{topic.value} : jump {part}_{topic.value}" for topic in topics)
    return (f"ct protocol vmap {{ {known}, * : jump {part}_other }}", f"jump {part}_{Topic.ANY.value}")


# The same for all policies of a network, and longer than the rest of a small ruleset.
@lru_cache(maxsize=256)
def _from_its_end(network: IPv4Network) -> str:
    """Condition that an ICMP error was sent by the destination of the packet that it quotes.

    nftables can't compare two fields, but it can look up whether a pair of them is one of equals. Sixteen pairs compare
    four bits. That the error goes to the sender of the quoted packet is connection tracking's own condition.
    """
    quoted = _QUOTED_DESTINATION
    conditions = [f"{_QUOTED_VERSION} 4", f"{quoted} & {int(network.netmask):#x} == {int(network.network_address):#x}"]
    for shift in range(0, network.max_prefixlen - network.prefixlen, _COMPARED_BITS):
        mask = (1 << _COMPARED_BITS) - 1 << shift
        values = [value << shift for value in range(1 << _COMPARED_BITS)]
        equals = ", ".join(f"{IPv4Address(value)} . {value:#x}" for value in values)
        conditions.append(f"ip saddr & {IPv4Address(mask)} . {quoted} & {mask:#x} {{ {equals} }}")
    return " ".join(conditions)
