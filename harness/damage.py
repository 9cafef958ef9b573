"""Damage by force: what an intruder, or an admin in a hurry, does to a running hub with a shell on its host.

Everything is found as such a person would find it, with the host's own tools. Nothing here knows the appliance.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from harness.mesh import Machine, Mesh
from harness.service import Service
from harness.verdicts import Inconclusive
from netlab import Completed, Host, genkey, pubkey


class Noticed(Enum):
    """How it can come to the hub's notice; the value is how long recovery may take at most, in seconds."""

    EVENT = 5.0
    """The kernel tells of it."""
    SWEEP = 15.0
    """Nothing tells of it: the hub has to look by itself."""
    RESTART = 20.0
    """Processes of the service have to be started again; who dies often waits some seconds for that."""


class Lock(Enum):
    """One of the two things that have to agree before a packet is forwarded: the rules' judgement, and a route."""

    RULES = "rules"
    ROUTES = "routes"


@dataclass(frozen=True)
class Damage:
    """One kind of damage.

    Attributes:
        name: what is wrong afterwards.
        command: for ``sh``, with what `Target.variables` gives; it succeeds where the damage is done.
        cuts: whether machines' traffic stops for as long as it stands.
        lock: which of the two it forces open. One alone lets nothing denied through.
        needs_process: whether it takes a WireGuard that is a process, as the kernel's is not.
        undo: what the hub has no business to mend, taken back by the same shell.
    """

    name: str
    command: str
    noticed: Noticed = Noticed.EVENT
    cuts: bool = True
    lock: Lock | None = None
    needs_process: bool = False
    undo: str = ""

    def __str__(self) -> str:
        return self.name


def _in_namespace(command: str) -> str:
    return f"ip netns exec $NS {command}"


RULES = (
    Damage("no ruleset", _in_namespace("nft flush ruleset"), lock=Lock.RULES),
    Damage("no table", _in_namespace("nft delete table inet $TABLE"), lock=Lock.RULES),
    Damage("no chain that judges", _in_namespace("nft delete chain inet $TABLE $GATE"), lock=Lock.RULES),
    Damage("empty chains", _in_namespace("nft flush table inet $TABLE"), lock=Lock.RULES),
    Damage("a rule in front that accepts", _in_namespace("nft insert rule inet $TABLE $GATE accept"), lock=Lock.RULES),
    Damage(
        "a table that drops",
        _in_namespace(
            "nft 'add table inet x; add chain inet x y { type filter hook forward priority 0; policy drop; }'"
        ),
    ),
)

ROUTES = (
    Damage("no overlay route", "ip -n $NS route flush table $ROUTES"),
    Damage("a blackhole for a route", "ip -n $NS route replace blackhole $NETWORK table $ROUTES"),
    Damage("a route around the mark", "ip -n $NS route add $NETWORK dev $LINK", cuts=False, lock=Lock.ROUTES),
    Damage("a default route", "ip -n $NS route add default dev $LINK", cuts=False, lock=Lock.ROUTES),
    Damage("no rule for the mark", "ip -n $NS rule del fwmark $MARK"),
    Damage("a rule without a mark", "ip -n $NS rule add priority 50 lookup $ROUTES", cuts=False, lock=Lock.ROUTES),
    Damage("no rule for local addresses", "ip -n $NS rule del priority 0", cuts=False),
    Damage("no forwarding", _in_namespace("sysctl -qw net.ipv4.ip_forward=0")),
    Damage("strict reverse paths", _in_namespace("sysctl -qw net.ipv4.conf.all.rp_filter=1")),
    Damage("no hub address", "ip -n $NS address flush dev $LINK", cuts=False),
    Damage("a machine's address on the hub", "ip -n $NS address add $ADDRESS/32 dev $LINK"),
)

LINK = (
    Damage("the link is gone", "ip -n $NS link delete $LINK"),
    Damage("the link is down", "ip -n $NS link set $LINK down"),
    Damage("the link has another name", "ip -n $NS link set $LINK down; ip -n $NS link set $LINK name other"),
    Damage("another MTU", "ip -n $NS link set $LINK mtu 1280", cuts=False),
    Damage(
        "an uplink",
        "ip link add up0 type veth peer name up1; ip link set up1 netns $NS; ip -n $NS link set up1 up",
        cuts=False,
    ),
    Damage("a namespace without its name", "ip netns delete $NS", Noticed.SWEEP, cuts=False),
    Damage("another namespace of that name", "ip netns delete $NS; ip netns add $NS", Noticed.SWEEP, cuts=False),
    Damage("neither namespace nor link", "ip -n $NS link delete $LINK; ip netns delete $NS", Noticed.SWEEP),
)

MACHINES = (
    Damage("a machine is removed", _in_namespace("wg set $LINK peer $KEY remove"), Noticed.SWEEP),
    Damage(
        "a machine has another's address",
        _in_namespace("wg set $LINK peer $OTHER_KEY allowed-ips $OTHER_ADDRESS/32,$ADDRESS/32"),
        Noticed.SWEEP,
    ),
    Damage(
        "a machine that nobody added",
        _in_namespace("wg set $LINK peer $STRANGER allowed-ips $NETWORK"),
        Noticed.SWEEP,
        cuts=False,
    ),
    Damage(
        "another hub key",
        f"umask 077; echo $NEW_KEY > $FOLDER/key; {_in_namespace('wg set $LINK private-key $FOLDER/key')}",
        Noticed.SWEEP,
    ),
    Damage("another port", _in_namespace("wg set $LINK listen-port 40404"), Noticed.SWEEP),
)

PROCESSES = (
    Damage("WireGuard is killed", "kill -KILL $WIREGUARD", needs_process=True),
    Damage("WireGuard hangs", "kill -STOP $WIREGUARD", Noticed.SWEEP, needs_process=True),
    Damage(
        "WireGuard can't be asked", "rm /var/run/wireguard/$LINK.sock", Noticed.SWEEP, cuts=False, needs_process=True
    ),
)

UNMASKED = Damage("a front door that lets answers out as they are", "nft flush chain inet $DOOR answer", cuts=False)

FRONT_DOOR = (
    Damage("an empty front door", "nft flush table inet $DOOR"),
    Damage("no front door", "nft delete table inet $DOOR"),
    Damage("a front door without a chain", "nft flush chain inet $DOOR public"),
    UNMASKED,
    Damage("a front door that knows no link", "nft flush set inet $DOOR inner"),
    Damage(
        "a front door that knows no session",
        r"for map in $(nft --terse list table inet $DOOR | sed -n 's/^\tmap \(.*\) {/\1/p');"
        " do nft flush map inet $DOOR $map; done",
    ),
)

HOST = (
    Damage("the host's rules are flushed", "nft flush ruleset"),
    Damage(
        "the host's firewall is loaded again",
        "printf 'flush ruleset\ntable inet filter { chain input { type filter hook input priority 0; }; }' | nft -f -",
        undo="nft delete table inet filter",
    ),
    Damage(
        "the host forwards, and filters reverse paths",
        "sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=1",
        cuts=False,
        undo="sysctl -qw net.ipv4.ip_forward=0 net.ipv4.conf.all.rp_filter=0",
    ),
)

SERVICE = (
    Damage("the hub's process is killed", "kill -KILL $HUB", Noticed.RESTART, cuts=False),
    Damage("the web process is killed", "kill -KILL $WEB", Noticed.RESTART, cuts=False),
    Damage("both processes are killed", "kill -KILL $HUB $WEB", Noticed.RESTART, cuts=False),
)

FAMILIES = (RULES, ROUTES, LINK, MACHINES, PROCESSES, FRONT_DOOR, HOST, SERVICE)
CATALOGUE = tuple(damage for family in FAMILIES for damage in family)

FORCED_OPEN = (
    Damage(
        "a rule in front that marks and accepts",
        _in_namespace("nft insert rule inet $TABLE $GATE meta mark set $MARK accept"),
        cuts=False,
    ),
    Damage(
        "no ruleset, and a route around the mark",
        f"ip -n $NS route add $NETWORK dev $LINK; {_in_namespace('nft flush ruleset')}",
        cuts=False,
    ),
)
"""Who is root can open both locks at once. The hub can't hinder that; it has to close them again."""


class Target:
    """What there is of an organization on the hub's host.

    Args:
        mesh: the organization.
        machine: the machine that damage is done to.
        other: the one that gets what was its.

    Raises:
        Inconclusive: it can't be found.
    """

    def __init__(self, service: Service, mesh: Mesh, machine: Machine, other: Machine) -> None:
        self._service = service
        self._hub: Host = service.host
        namespaces = [line.split()[0] for line in self._run("ip netns list").stdout.splitlines()]
        own = [name for name in namespaces if name.endswith(mesh.organization["id"])]
        if len(own) != 1:
            raise Inconclusive(f"one organization, and {len(own)} of these namespaces are its own: {namespaces}")
        (namespace,) = own
        links = json.loads(self._run(f"ip -n {namespace} -json link").stdout)
        rules = json.loads(self._run(f"ip -n {namespace} -json rule").stdout)
        marked = next(rule for rule in rules if "fwmark" in rule)
        table, gate = self._judging_chain(namespace)
        self._variables = {
            "NS": namespace,
            "LINK": next(str(link["ifname"]) for link in links if link["ifname"] != "lo"),
            "TABLE": table,
            "GATE": gate,
            "MARK": str(marked["fwmark"]),
            "ROUTES": str(marked["table"]),
            "NETWORK": str(mesh.organization["network"]),
            "DOOR": self._front_door(),
            "KEY": self._key(mesh, machine),
            "ADDRESS": machine.address,
            "OTHER_KEY": self._key(mesh, other),
            "OTHER_ADDRESS": other.address,
            "STRANGER": pubkey(genkey()),
            "NEW_KEY": genkey(),
            "FOLDER": str(self._hub.folder),
        }

    @property
    def wireguard(self) -> str:
        """The implementation that serves the link."""
        return self._wireguard()[1]

    def applies(self, damage: Damage) -> bool:
        """Whether this hub has what the damage is done to."""
        return not damage.needs_process or bool(self._wireguard()[0])

    def variables(self) -> Mapping[str, str]:
        """What commands may speak of; the processes are those of now."""
        return {
            **self._variables,
            "WIREGUARD": self._wireguard()[0],
            "HUB": " ".join(map(str, self._service.children("hub"))),
            "WEB": " ".join(map(str, self._service.children("web"))),
        }

    def suffer(self, damage: Damage) -> bool:
        """Does it; returns whether the host's tools say that it is done."""
        return self._run(damage.command, check=False, env=self.variables()).returncode == 0

    @contextmanager
    def unattended(self) -> Iterator[None]:
        """The hub's process is stopped (SIGSTOP) for as long as ``with`` lasts, so that damage stands for a while."""
        pids = self._service.children("hub")
        try:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def undo(self, damage: Damage) -> None:
        """Takes back what the hub has no business to mend."""
        if damage.undo:
            self._run(damage.undo, env=self.variables())

    def seen(self) -> str:
        """All that the host's tools tell of the organization and of the front door; equal while nothing is wrong."""
        done = self._run(_LOOK, check=False, env=self._variables)
        return done.stdout + done.stderr

    def _judging_chain(self, namespace: str) -> tuple[str, str]:
        listed = json.loads(self._run(f"ip netns exec {namespace} nft --json list chains").stdout)["nftables"]
        chains = [each["chain"] for each in listed if "chain" in each]
        return next((each["table"], each["name"]) for each in chains if each.get("hook") == "prerouting")

    def _front_door(self) -> str:
        tables = [line.split()[-1] for line in self._run("nft list tables").stdout.splitlines()]
        if len(tables) != 1:
            raise Inconclusive(f"the hub's host has these tables, and one was expected: {tables}")
        return tables[0]

    def _key(self, mesh: Mesh, machine: Machine) -> str:
        return str(mesh.api.call("GET", f"/machines/{machine.id}").body["public_key"])

    def _wireguard(self) -> tuple[str, str]:
        """Process id and name of what serves the link."""
        link = self._variables["LINK"].encode()
        for pid in self._hub.processes():
            with suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
                if words[-1] == link:
                    return str(pid), Path(words[0].decode()).name
        return "", "kernel"

    def _run(self, command: str, *, check: bool = True, env: Mapping[str, str] | None = None) -> Completed:
        return self._hub.run("sh", "-ec", command, check=check, env=env)


# Links are numbered as they come, machines and routes are listed as they come, queues depend on who made the link.
_LOOK = r"""
{
    ip -n $NS -oneline address
    ip -n $NS -oneline link
    ip -n $NS route show table all
    ip -n $NS rule
    ip netns exec $NS sysctl net.ipv4.ip_forward net.ipv4.conf.all.rp_filter net.ipv4.conf.$LINK.rp_filter
    ip netns exec $NS wg show $LINK private-key
    ip netns exec $NS wg show $LINK listen-port
    ip netns exec $NS wg show $LINK allowed-ips
} 2>&1 | sed -E 's/^[0-9]+: //; s/ (qlen|qdisc) [^ ]+//g' | sort
ip netns exec $NS nft list ruleset
nft --stateless --terse list table inet $DOOR
nft --stateless list set inet $DOOR inner
"""
