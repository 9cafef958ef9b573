"""Rules of a tenant of `tenanthub`: which ones make sense, what they say, and their nftables table."""

from __future__ import annotations

from collections.abc import Mapping

from netlab.examples.tenants import Refusal, Tenant

_PROTOCOLS = ("any", "tcp", "udp", "icmp")
# Packets of other tenants pass this table. Each packet is judged by the side that opened its connection.
_TABLE = """\
table inet {link}
delete table inet {link}
table inet {link} {{
    chain judge {{
        type filter hook forward priority 0; policy {default};
        iifname != "{link}" oifname != "{link}" accept
        iifname != "{link}" drop
        oifname != "{link}" drop
        ct state invalid drop
        {rules}
    }}
}}
"""


def check(tenant: Tenant, rule: Mapping[str, str]) -> None:
    """Checks that a rule of a tenant makes sense.

    Args:
        tenant: the tenant.
        rule: the rule, as `Tenant` describes it.

    Raises:
        Refusal: it makes none.
    """
    protocol, ports = rule.get("protocol", "any"), rule.get("ports", "")
    if rule["action"] not in ("allow", "deny") or protocol not in _PROTOCOLS:
        raise Refusal(f"no rule: {rule}")
    if ports and (protocol not in ("tcp", "udp") or any(first > last for first, last in _ports(ports))):
        raise Refusal(f"no ports: {ports}")
    for selector in (rule["source"], rule["destination"]):
        kind, _, what = selector.partition(":")
        if kind not in ("any", "group", "machine") or (kind == "machine" and what not in tenant.members):
            raise Refusal(f"nobody is {selector}")


def verdict(tenant: Tenant, source: str, destination: str, protocol: str, port: int | None) -> str:
    """Returns the verdict of a tenant's policy on a connection, `allow` or `deny`.

    Args:
        tenant: the tenant.
        source: one machine, as a rule names it.
        destination: one machine, as a rule names it.
        protocol: `tcp`, `udp` or `icmp`.
        port: destination port; None without ports.
    """
    ends = [next(iter(_addresses(tenant, each)), "") for each in (source, destination)]
    matching = {
        rule["action"]
        for rule in tenant.rules
        if all(
            selector == "any" or end in _addresses(tenant, selector)
            for selector, end in zip((rule["source"], rule["destination"]), ends, strict=True)
        )
        and rule.get("protocol", "any") in ("any", protocol)
        and any(first <= (port or 0) <= last for first, last in _ports(rule.get("ports", "")) or [(0, 65535)])
    }
    return "deny" if "deny" in matching else "allow" if "allow" in matching else tenant.default


def table_of(tenant: Tenant) -> str:
    """Returns the nftables script that replaces a tenant's table.

    Args:
        tenant: the tenant.
    """
    words = {"allow": "accept", "deny": "drop"}
    # A deny rule wins, wherever it stands.
    ordered = sorted(tenant.rules, key=lambda rule: rule["action"] != "deny")
    lines = [f"{match} {words[rule['action']]}" for rule in ordered for match in _matches(tenant, rule)]
    return _TABLE.format(link=tenant.id, default=words[tenant.default], rules="\n        ".join(lines))


def _ports(text: str) -> list[tuple[int, int]]:
    spans = (span.partition("-") for span in text.split(",") if span)
    return [(int(first), int(last or first)) for first, _, last in spans]


def _addresses(tenant: Tenant, selector: str) -> set[str]:
    kind, _, what = selector.partition(":")
    return {m.address for m in tenant.members.values() if what in (m.groups if kind == "group" else (m.id,))}


def _matches(tenant: Tenant, rule: Mapping[str, str]) -> list[str]:
    """Conditions of a rule in nft's language; none if it names a group without a machine."""
    words = []
    for side, selector in (("saddr", rule["source"]), ("daddr", rule["destination"])):
        if selector != "any":
            addresses = _addresses(tenant, selector)
            if not addresses:
                return []
            words.append(f"ct original ip {side} {{ {', '.join(sorted(addresses))} }}")
    if rule.get("protocol", "any") != "any":
        words.append(f"meta l4proto {rule['protocol']}")
    if rule.get("ports"):
        words.append(f"ct original proto-dst {{ {rule['ports']} }}")
    return [" ".join(words)]
