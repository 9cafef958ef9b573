"""nftables transactions for the front door's table, whose rules are in `rules`: pure."""

from __future__ import annotations

from collections.abc import Iterable

from appliance.hub.front_door import rules
from appliance.hub.front_door.memory import MEMORIES, RESUMED, SESSIONS
from appliance.hub.front_door.outcomes import BOUNDS, DROPS
from appliance.hub.front_door.rules import Layout

_SENTINEL_LEASE = "3650d"
"""Ten years: the kernel has no permanent element in a map whose elements expire."""


SENTINELS = {SESSIONS.name: ("0", 4), RESUMED[4].name: ("0.0.0.0 . 0", 8), RESUMED[6].name: (":: . 0", 20)}
"""For each map of sessions, a key of no session and its length in bytes, all of them 0.

A missing sentinel shows that somebody has emptied the map. WireGuard draws its indices at random: one of four billion
is this one.
"""


def objects(layout: Layout) -> str:
    """Counters, maps, sets, and chains without rules. Loading it again changes nothing."""
    counters = "\n".join(f"    counter {name} {{\n    }}" for name in (*DROPS, *BOUNDS))
    memories = "\n".join(f"    {each.declaration()}" for each in MEMORIES)
    chains = "\n".join(f"    chain {name} {{\n    }}" for name in rules.chains_of(layout) if name not in rules.HOOKS)
    hooks = "\n".join(
        f"    chain {name} {{\n        type {hook}; policy accept;\n    }}" for name, hook in rules.HOOKS.items()
    )
    return f"""
table inet {layout.table} {{
{counters}
{memories}
    set {rules.INNER} {{
        type inet_service;
    }}
    set {rules.DESK} {{
        type inet_service;
    }}
{chains}
{hooks}
}}
"""


def in_place(layout: Layout) -> str:
    """Transaction that loads the rules and keeps every session.

    No rule has an anonymous set: the kernel numbers those anew at each load, and a table could not be compared.

    The kernel refuses it if an object of a required name exists and is of another kind.
    """
    lines = [objects(layout), f"flush table inet {layout.table}", f"flush set inet {layout.table} {rules.DESK}"]
    lines.append(f"add element inet {layout.table} {rules.DESK} {{ {layout.known_port} }}")
    lines += [sentinel(layout.table, name).strip() for name in SENTINELS]
    for chain, statements in rules.chains_of(layout).items():
        lines += [f"add rule inet {layout.table} {chain} {statement}" for statement in statements]
    return "\n".join(lines) + "\n"


def gone(table: str) -> str:
    """Transaction that removes the table, if there is one."""
    return f"add table inet {table}\ndelete table inet {table}\n"


def admitted(table: str, ports: Iterable[int]) -> str:
    """Transaction that delivers packets to these inner ports, and closes them to the outside."""
    return elements("add", table, rules.INNER, map(str, sorted(ports)))


def sentinel(table: str, name: str) -> str:
    """Transaction that adds the sentinel, whose absence shows that a map was emptied."""
    return f"add element inet {table} {name} {{ {SENTINELS[name][0]} timeout {_SENTINEL_LEASE} : 0 }}\n"


def elements(verb: str, table: str, name: str, values: Iterable[str]) -> str:
    """Transaction that adds or deletes elements; empty for no elements."""
    text = ", ".join(values)
    return f"{verb} element inet {table} {name} {{ {text} }}\n" if text else ""
