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
from ipaddress import IPv4Network

from netlab.examples import tenantrules
from netlab.examples.tenants import Conflict, Member, Refusal, Tenant, Unknown
from netlab.host import Host
from netlab.keys import genkey, pubkey
from netlab.wireguard import Peer, wg_quick

_FIRST_PORT = 51820


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
                tenantrules.check(tenant, rule)
            tenant.default, tenant.rules, tenant.version = default, tuple(rules), tenant.version + 1
            self._load(tenant)

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
        self._host.run("nft", "-f", "-", input=tenantrules.table_of(tenant))


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
