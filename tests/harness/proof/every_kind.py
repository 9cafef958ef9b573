"""A ruleset that has every kind of expression, and the kinds that have a meaning at all."""

from __future__ import annotations

from collections.abc import Iterator

from harness.proof import Unmodelled
from harness.proof.fields import Flow, view
from harness.proof.ruleset import Expression, Field, Raw

RULESET = """
table inet kinds {{
    counter t {{ }}
    chain early {{
        type filter hook prerouting priority -300; policy accept;
        udp dport 9 notrack
    }}
    chain first {{
        type filter hook prerouting priority -150; policy drop;
        iifname != "{link}" drop
        iif != "{link}" drop
        meta nfproto != ipv4 drop
        ct state untracked meta mark set 0x1 accept
        ct state invalid drop
        ct state related goto errors
        ct protocol 47 ct original protocol 47 ct reply protocol 47 ip protocol 47 meta mark set 0x1 accept
        ct status confirmed jump confirmed
        meta mark set 0xab00
        meta priority set ct original ip saddr map {{ 10.100.0.2 : 1:2, 10.100.0.3 : 1:3, * : 1:4 }}
        meta priority 1:3 ip daddr 10.100.0.2 drop
        meta l4proto vmap {{ tcp : jump of_tcp, udp : goto of_udp, icmp : goto of_icmp, * : continue }}
        meta mark & 0xff == 0x1 continue
        meta mark & 0xff == 0x1 meta mark set 0x1 accept
    }}
    chain errors {{
        icmp type {{ 3, 11 }} icmp code < 4 @th,64,8 & 0xf0 == 0x40 @th,192,32 & 0xffff0000 == 0x0a640000 jump by_end
    }}
    chain by_end {{
        ip saddr & 0.0.0.1 . @th,192,32 & 0x1 {{ 0.0.0.0 . 0x0, 0.0.0.1 . 0x1 }} meta mark set 0x1 accept
    }}
    chain confirmed {{
        ct direction reply ct reply ip saddr 10.100.0.4 drop
        ct reply ip daddr 10.100.0.5 meta l4proto tcp ct reply proto-src 80 drop
        meta l4proto udp ct reply proto-dst 1-1023 ct original proto-src 1-1023 drop
        ip saddr 10.100.0.5 return
        ct original ip daddr 10.100.0.5 tcp sport 443 drop
    }}
    chain of_tcp {{
        meta l4proto tcp counter name ip daddr . ct original proto-dst map {{ 10.100.0.2 . 22 : "t" }} goto pass
        ct original ip saddr . ct original ip daddr vmap {{ 10.100.0.2 . 10.100.0.3 : return }}
        tcp dport 8000-8100 goto pass
        jhash ct original ip saddr . ct original ip daddr mod 4 seed 0x1234 vmap {{ 0 : drop, 1 : goto pass }}
    }}
    chain of_udp {{
        udp dport 53 udp sport != 53 goto pass
        limit rate over 100000/second burst 60000 packets drop
        meter sources {{ ip saddr limit rate over 100000/second burst 60000 packets }} drop
        meta l4proto udp ct original proto-dst 5000-5999 goto pass
    }}
    chain of_icmp {{
        icmp type {{ echo-request, echo-reply }} icmp code 0 goto pass
    }}
    chain pass {{
        meta mark set meta mark & 0xff00 | 0x1
        meta mark 0xab01 meta mark set 0x1 accept
    }}
    chain deliver {{
        type filter hook input priority 0; policy drop;
        icmp type echo-request accept
    }}
    chain through {{
        type filter hook forward priority 0; policy drop;
        iifname "{link}" oifname "{link}" oif "{link}" meta mark 0x1 accept
    }}
    chain last {{
        type filter hook postrouting priority 0; policy accept;
        ip daddr 10.100.0.6 drop
    }}
    chain own {{
        type filter hook output priority 0; policy accept;
    }}
}}
"""
"""In nft's language; to be formatted with the name of the link."""

# Every property of a packet in nft(8), "PAYLOAD EXPRESSIONS", "META EXPRESSIONS" and "CONNTRACK EXPRESSIONS".
_META = (
    "length nfproto l4proto protocol priority mark iif iifname iiftype oif oifname oiftype skuid skgid nftrace"
    " rtclassid ibrname obrname pkttype cpu iifgroup oifgroup cgroup random ipsec iifkind oifkind time day hour sdif"
    " sdifname"
)
_CT = "state direction status mark expiration helper label count id l3proto protocol packets bytes avgpkt zone event"
_CT_OF_DIRECTION = "saddr daddr proto-src proto-dst protocol l3proto packets bytes avgpkt zone"
_HEADERS = {
    "ip": "version hdrlength dscp ecn length id frag-off ttl protocol checksum saddr daddr",
    "icmp": "type code checksum id sequence gateway mtu",
    "tcp": "sport dport sequence ackseq doff reserved flags window checksum urgptr",
    "udp": "sport dport length checksum",
    "udplite": "sport dport checksum",
    "sctp": "sport dport vtag checksum",
    "dccp": "sport dport type",
    "th": "sport dport",
    "ah": "nexthdr hdrlength reserved spi sequence",
    "esp": "spi sequence",
    "comp": "nexthdr flags cpi",
    "igmp": "type checksum group mrt",
    "ether": "saddr daddr type",
    "vlan": "id dei pcp type",
}
_RAW = (Raw("th", 64, 8), Raw("th", 192, 32))
STATEMENTS = frozenset(
    {
        "accept", "drop", "jump", "goto", "return", "continue", "match", "verdict map", "map", "concatenation", "jhash",
        "bits of an expression", "bits set in an expression", "rate", "notrack", "meta mark set", "meta priority set",
        "hook prerouting", "hook input", "hook forward", "hook postrouting", "hook output",
    }
)  # fmt: skip
"""Kinds other than fields, as `harness.proof.kinds` names them."""


def fields() -> Iterator[str]:
    """Names of all fields that have a meaning in a packet of some flow."""
    names = [
        *(f"meta {each}" for each in _META.split()),
        *(f"ct {each}" for each in _CT.split()),
        *(f"ct {way} {each}" for way in ("original", "reply") for each in _CT_OF_DIRECTION.split()),
        *(f"{header} {each}" for header, of_header in _HEADERS.items() for each in of_header.split()),
    ]
    for name in names:
        if _has_meaning(Field(name)):
            yield name
    for each in _RAW:
        if _has_meaning(each):
            yield f"@{each.base},{each.offset},{each.length}"


def _has_meaning(expression: Expression) -> bool:
    for flow in Flow:
        try:
            view(expression, flow)
        except Unmodelled:
            continue
        return True
    return False


UNPRINTED = frozenset({"ct original protocol", "ct reply protocol"})
"""Fields of the ruleset that nft prints without their direction."""
