"""Rules beside a front door's that note what passes it, and decide nothing about it."""

from __future__ import annotations

TABLE = "meshwg_observer"
_BEFORE, _AFTER, _TRACKED = -350, -201, -199


def rules(hook: str, mark: int) -> str:
    """The rules, in nft's language.

    Args:
        hook: that of the datagrams; what the kernel sends in return, or sends to itself, goes no further.
        mark: that a datagram arrives with.
    """
    other = "output" if hook == "prerouting" else "prerouting"
    # The kernel speaks of its own accord over IPv6, but never by UDP or TCP.
    spoken = "meta l4proto { 58, 2 } accept"
    marked = f"meta mark set {mark}" if hook == "prerouting" and mark else ""
    return f"""
table inet {TABLE} {{
    set passed {{ typeof meta l4proto; flags dynamic; size 64; }}
    set untracked {{ typeof meta l4proto; flags dynamic; size 64; }}
    set seen {{ typeof th sport . th dport . meta mark; flags dynamic; size 64; }}
    chain before {{ type filter hook {hook} priority {_BEFORE}; policy accept; {marked}
    }}
    chain after {{ type filter hook {hook} priority {_AFTER}; policy accept;
        {spoken}
        add @passed {{ meta l4proto }}
        add @seen {{ th sport . th dport . meta mark }}
    }}
    chain tracked {{ type filter hook {hook} priority {_TRACKED}; policy accept;
        {spoken}
        ct state untracked add @untracked {{ meta l4proto }}
    }}
    chain silence {{ type filter hook {other} priority -450; policy drop; }}
}}
"""


SETS = ("passed", "untracked", "seen")
RESET = "".join(f"flush set inet {TABLE} {name}\n" for name in SETS)
"""Forgets what passed."""
