"""A hub for several tenants, as a script would make it: a wg-quick interface and an nftables table for each.

    with Lab() as lab:
        hub = TenantHub(lab.host("hub"), "198.18.0.1")
        acme = hub.open("10.100.0.0/16")
        print(hub.config(acme, hub.add(acme, "laptop")))

All tenants share one network namespace, each has a port of its own, and nothing watches over the result. Two tenants
may ask for the same range; the kernel then has one way for both.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network

from netlab.host import Host
from netlab.keys import genkey, pubkey
from netlab.wireguard import Peer, Tunnel, wg_quick

_FIRST_PORT = 51820
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


class Refusal(ValueError):
    """A request makes no sense."""


class Unknown(LookupError):
    """There is no such tenant, or the tenant has no such machine."""


class Conflict(Exception):
    """A request can't be met now: no address is left, or the policy was changed since."""


@dataclass(frozen=True)
class Member:
    """A machine of a tenant.

    Attributes:
        id: name of the machine for this hub's calls.
        name: name that people gave it.
        address: IPv4 address in the tunnel.
        public_key: WireGuard public key, in base64.
        groups: names of its groups.
        private_key: WireGuard private key, in base64; empty for a machine that came with a key of its own.
    """

    id: str
    name: str
    address: str
    public_key: str
    groups: tuple[str, ...]
    private_key: str


@dataclass
class Tenant:
    """A tenant.

    Attributes:
        id: name of the tenant for this hub's calls, and of its link and table.
        name: name that people gave it.
        network: range of its machines' addresses.
        port: UDP port of its link.
        private_key: WireGuard private key of its link, in base64.
        tunnel: its link on the hub.
        members: its machines, by id.
        default: `allow` or `deny`, for connections that no rule matches.
        rules: rules with the texts `action`, `source`, `destination`, `protocol` and `ports`.
        version: number of policies that it has had.
    """

    id: str
    name: str
    network: IPv4Network
    port: int
    private_key: str
    tunnel: Tunnel | None = None
    members: dict[str, Member] = field(default_factory=dict)
    default: str = "allow"
    rules: tuple[Mapping[str, str], ...] = ()
    version: int = 1


class TenantHub:
    """A hub on one host."""

    def __init__(self, host: Host, address: str) -> None:
        """Makes the host forward.

        Args:
            host: the host.
            address: address at which machines reach it.
        """
        self._host = host
        self._address = address
        self._tenants: dict[str, Tenant] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        host.run("sysctl", "-qw", "net.ipv4.ip_forward=1")

    def open(self, network: str, name: str = "tenant") -> Tenant:
        """Adds a tenant whose machines may all speak with each other.

        Args:
            network: range of its machines' addresses, such as `10.100.0.0/16`.
            name: name that people gave it.

        Returns:
            The tenant.
        """
        with self._lock:
            taken = {tenant.port for tenant in self._tenants.values()}
            port = next(port for port in itertools.count(_FIRST_PORT) if port not in taken)
            tenant = Tenant(f"tenant{port}", _checked(name), IPv4Network(network), port, genkey())
            self._tenants[tenant.id] = tenant
            self._bring_up(tenant)
            self._load(tenant)
        return tenant

    def close(self, tenant_id: str) -> None:
        """Removes a tenant with its link and its table.

        Args:
            tenant_id: id of the tenant.

        Raises:
            Unknown: there is no such tenant.
        """
        with self._lock:
            tenant = self.tenant(tenant_id)
            if tenant.tunnel is not None:
                tenant.tunnel.down()
            self._host.run("nft", "delete", "table", "inet", tenant.id)
            del self._tenants[tenant_id]

    def tenant(self, tenant_id: str) -> Tenant:
        """Returns a tenant.

        Args:
            tenant_id: id of the tenant.

        Raises:
            Unknown: there is no such tenant.
        """
        if tenant_id not in self._tenants:
            raise Unknown(tenant_id)
        return self._tenants[tenant_id]

    def add(self, tenant: Tenant, name: str, groups: Sequence[str] = (), public_key: str | None = None) -> Member:
        """Adds a machine, which the tenant's link knows on return.

        Args:
            tenant: the tenant.
            name: name that people gave it.
            groups: names of its groups.
            public_key: its public key, in base64; None makes a pair.

        Returns:
            The machine.

        Raises:
            Conflict: the range has no address left.
            Refusal: the name can't be written into a configuration.
        """
        name = _checked(name)
        private = genkey() if public_key is None else ""
        with self._lock:
            taken = {member.address for member in tenant.members.values()}
            free = (str(host) for host in itertools.islice(tenant.network.hosts(), 1, None))
            address = next((each for each in free if each not in taken), None)
            if address is None:
                raise Conflict(f"{tenant.network} has no address left")
            known = public_key or pubkey(private)
            member = Member(f"m{next(self._numbers)}", name, address, known, tuple(groups), private)
            tenant.members[member.id] = member
            self._sync(tenant)
            self._load(tenant)
        return member

    def config(self, tenant: Tenant, member: Member) -> str:
        """Returns the wg-quick configuration of a machine; the private key is empty if the machine made its own.

        Args:
            tenant: the tenant.
            member: the machine.
        """
        return (
            f"# {member.name}\n[Interface]\nPrivateKey = {member.private_key}\n"
            f"Address = {member.address}/{tenant.network.prefixlen}\nMTU = 1420\n"
            f"[Peer]\nPublicKey = {pubkey(tenant.private_key)}\nEndpoint = {self.endpoint(tenant)}\n"
            f"AllowedIPs = {tenant.network}\nPersistentKeepalive = 25\n"
        )

    def endpoint(self, tenant: Tenant) -> str:
        """Returns address and port of a tenant's link, as configurations name it.

        Args:
            tenant: the tenant.
        """
        return f"{self._address}:{tenant.port}"

    def remove(self, tenant: Tenant, member_id: str) -> None:
        """Removes a machine and the rules about it; its tunnel is dead on return.

        Args:
            tenant: the tenant.
            member_id: id of the machine.

        Raises:
            Unknown: the tenant has no such machine.
        """
        with self._lock:
            if tenant.members.pop(member_id, None) is None:
                raise Unknown(member_id)
            about = f"machine:{member_id}"
            tenant.rules = tuple(r for r in tenant.rules if about not in (r["source"], r["destination"]))
            self._sync(tenant)
            self._load(tenant)

    def save(
        self, tenant: Tenant, default: str, rules: Sequence[Mapping[str, str]], version: int | None = None
    ) -> None:
        """Replaces a tenant's policy in one transaction of nft.

        Args:
            tenant: the tenant.
            default: `allow` or `deny`.
            rules: rules of the tenant's policy.
            version: version that the policy must have now; None for any.

        Raises:
            Conflict: the policy has another version.
            Refusal: the default or a rule makes no sense.
        """
        with self._lock:
            if version not in (None, tenant.version):
                raise Conflict(f"it is at version {tenant.version}")
            if default not in ("allow", "deny"):
                raise Refusal(f"no default: {default}")
            for rule in rules:
                _check_rule(tenant, rule)
            tenant.default, tenant.rules, tenant.version = default, tuple(rules), tenant.version + 1
            self._load(tenant)

    def verdict(self, tenant: Tenant, source: str, destination: str, protocol: str, port: int | None) -> str:
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

    def peers(self, tenant: Tenant) -> dict[str, Peer]:
        """Returns the peers of a tenant's link, by public key.

        Args:
            tenant: the tenant.
        """
        return {} if tenant.tunnel is None else {peer.public_key: peer for peer in tenant.tunnel.peers()}

    def stop(self) -> None:
        """Takes all links down."""
        for tenant in self._tenants.values():
            if tenant.tunnel is not None:
                tenant.tunnel.down()

    def start(self) -> None:
        """Brings all links up again."""
        for tenant in self._tenants.values():
            self._bring_up(tenant)

    def _bring_up(self, tenant: Tenant) -> None:
        tenant.tunnel = wg_quick(self._host, _hub_config(tenant), f"{tenant.id}.conf")

    def _sync(self, tenant: Tenant) -> None:
        """Sends the tenant's peers to its link without a restart; see syncconf in wg(8)."""
        path = self._host.folder / f"{tenant.id}.conf"
        self._host.write(path, _hub_config(tenant).encode(), 0o600)
        strip_and_sync = 'wg-quick strip "$1" | wg syncconf "$2" /dev/stdin'
        self._host.run("sh", "-ec", strip_and_sync, "sh", path, tenant.id)

    def _load(self, tenant: Tenant) -> None:
        words = {"allow": "accept", "deny": "drop"}
        # A deny rule wins, wherever it stands.
        ordered = sorted(tenant.rules, key=lambda rule: rule["action"] != "deny")
        lines = [f"{match} {words[rule['action']]}" for rule in ordered for match in _matches(tenant, rule)]
        text = _TABLE.format(link=tenant.id, default=words[tenant.default], rules="\n        ".join(lines))
        self._host.run("nft", "-f", "-", input=text)


def _hub_config(tenant: Tenant) -> str:
    interface = (
        f"[Interface]\nPrivateKey = {tenant.private_key}\nAddress = {tenant.network[1]}/{tenant.network.prefixlen}\n"
        f"MTU = 1420\nListenPort = {tenant.port}\n"
    )
    peers = (f"[Peer]\nPublicKey = {m.public_key}\nAllowedIPs = {m.address}/32\n" for m in tenant.members.values())
    return interface + "".join(peers)


def _checked(name: str) -> str:
    name = name.strip()
    # A line break would end the comment that the name is in.
    if not name or not name.isprintable():
        raise Refusal(f"no name: {name!r}")
    return name


def _check_rule(tenant: Tenant, rule: Mapping[str, str]) -> None:
    protocol, ports = rule.get("protocol", "any"), rule.get("ports", "")
    if rule["action"] not in ("allow", "deny") or protocol not in _PROTOCOLS:
        raise Refusal(f"no rule: {rule}")
    if ports and (protocol not in ("tcp", "udp") or any(first > last for first, last in _ports(ports))):
        raise Refusal(f"no ports: {ports}")
    for selector in (rule["source"], rule["destination"]):
        kind, _, what = selector.partition(":")
        if kind not in ("any", "group", "machine") or (kind == "machine" and what not in tenant.members):
            raise Refusal(f"nobody is {selector}")


def _ports(text: str) -> list[tuple[int, int]]:
    spans = (span.partition("-") for span in text.split(",") if span)
    return [(int(first), int(last or first)) for first, _, last in spans]


def _addresses(tenant: Tenant, selector: str) -> set[str]:
    kind, _, what = selector.partition(":")
    return {m.address for m in tenant.members.values() if (kind == "machine" and m.id == what) or what in m.groups}


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
