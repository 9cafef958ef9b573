"""Catalogue of damage that a user with a root shell can do to a running hub.

The commands are shell commands with the variables of `inside.Inside`, which come from the host's own tools. Tests of
the hub do the damage of this catalogue, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

REPORTED = (
    "a change failed; the namespace is made whole",
    "meshwg_repairs_total",
    'meshwg_machine_calls_total{outcome="failed"',
    'meshwg_http_answers_total{status="503"',
    "connections can't be counted",
    "damage can't be repaired yet",
    "damage was repaired",
    "machines can't be called",
    "the data plane can't be made to match the store",
    "the front door can't be put right yet",
)
"""Faults that a service may report after damage; arguments of the marker ``announces``."""

REFUSED = (
    "a change can't be taken back yet",
    "a change could not be enforced",
    "cleanup failed and is tried again",
)
"""Faults that a service may report of changes during which its hub is killed."""

KILLED = ("the hub process was killed", "the web process was killed")
"""Faults that a service reports if its processes are killed (SIGKILL) while its supervisor goes on."""

WORKER_KILLED = "the web process ended"
"""Fault that a service reports if one of several web processes is killed: the others end by themselves then."""


ANYTHING = ("",)
"""Announces every fault: for labs in which nothing is judged."""


class Detection(Enum):
    """Ways in which the hub detects damage; the value is the longest time of recovery in seconds."""

    EVENT = 5.0
    """An event of the kernel."""
    SWEEP = 15.0
    """A periodic check, which takes a tenth of a core at most."""
    RESTART = 20.0
    """The end of a process, which is started again, with a pause of some seconds if it ends often."""

    def within_s(self, patience: float) -> float:
        """Returns the longest time of recovery on a machine that is ``patience`` times slower than usual; seconds."""
        return float(self.value) * (1.0 if self is Detection.EVENT else patience)


class Barrier(Enum):
    """One of the two conditions of forwarding a packet: a verdict of the nftables rules, and a route."""

    RULES = "rules"
    ROUTES = "routes"


@dataclass(frozen=True)
class Damage:
    """One kind of damage.

    Attributes:
        name: the damaged state in words.
        command: command for ``sh`` with the variables of `inside.Inside`; it fails if the damage can't be done.
        detection: way in which the hub detects it.
        cuts: True if the machines' traffic stops until it is repaired.
        barrier: the barrier that it opens, if any. One open barrier lets no denied packet through.
        needs_process: True if it needs WireGuard as a process, not in the kernel.
        undo: command that removes the part which the hub does not repair; it also succeeds after other damage.
    """

    name: str
    command: str
    detection: Detection = Detection.EVENT
    cuts: bool = True
    barrier: Barrier | None = None
    needs_process: bool = False
    undo: str = ""

    def __str__(self) -> str:
        return self.name


def _in_namespace(command: str) -> str:
    return f"ip netns exec $NS {command}"


def _with_machine_anew(key: str, networks: str) -> str:
    """Adds a machine anew with other networks, since boringtun changes no peer that it has."""
    peer = f"wg set $LINK peer {key}"
    return _in_namespace(f"sh -ec '{peer} remove; {peer} allowed-ips {networks}'")


def _insisting(command: str) -> str:
    """Repeats a command up to five times, since a running hub may repair a part of it before its end."""
    return f"for again in 1 2 3 4 5; do {command} && break; done"


RULES = (
    Damage("no ruleset", _in_namespace("nft flush ruleset"), barrier=Barrier.RULES),
    Damage("no table", _in_namespace("nft delete table inet $TABLE"), barrier=Barrier.RULES),
    Damage("no chain that judges", _in_namespace("nft delete chain inet $TABLE $GATE"), barrier=Barrier.RULES),
    Damage("empty chains", _in_namespace("nft flush table inet $TABLE"), barrier=Barrier.RULES),
    Damage(
        "a rule in front that accepts", _in_namespace("nft insert rule inet $TABLE $GATE accept"), barrier=Barrier.RULES
    ),
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
    Damage("a route around the mark", "ip -n $NS route add $NETWORK dev $LINK", cuts=False, barrier=Barrier.ROUTES),
    Damage("a default route", "ip -n $NS route add default dev $LINK", cuts=False, barrier=Barrier.ROUTES),
    Damage("no rule for the mark", "ip -n $NS rule del fwmark $MARK"),
    Damage(
        "a rule without a mark", "ip -n $NS rule add priority 50 lookup $ROUTES", cuts=False, barrier=Barrier.ROUTES
    ),
    Damage("no rule for local addresses", "ip -n $NS rule del priority 0", cuts=False),
    Damage("no forwarding", _in_namespace("sysctl -qw net.ipv4.ip_forward=0")),
    Damage("strict reverse paths", _in_namespace("sysctl -qw net.ipv4.conf.all.rp_filter=1")),
    Damage(
        "redirects are sent",
        # The kernel tells of a changed rp_filter, and not of this one.
        _in_namespace("sysctl -qw net.ipv4.conf.all.send_redirects=1"),
        Detection.SWEEP,
        cuts=False,
    ),
    Damage("no hub address", "ip -n $NS address flush dev $LINK", cuts=False),
    Damage("a machine's address on the hub", "ip -n $NS address add $ADDRESS/32 dev $LINK"),
)

LINK = (
    Damage("the link is gone", "ip -n $NS link delete $LINK"),
    Damage("the link is down", "ip -n $NS link set $LINK down"),
    Damage(
        "the link has another name",
        _insisting("ip -n $NS link set $LINK down && ip -n $NS link set $LINK name other"),
    ),
    Damage("the loopback link is down", "ip -n $NS link set lo down", cuts=False),
    Damage("another MTU", "ip -n $NS link set $LINK mtu 1280", cuts=False),
    Damage(
        "an uplink",
        _insisting("ip link add up0 type veth peer name up1 && ip link set up1 netns $NS && ip -n $NS link set up1 up"),
        cuts=False,
    ),
    Damage("neither namespace nor link", f"ip -n $NS link delete $LINK; {_insisting('ip netns delete $NS')}"),
)

NAMES = (
    Damage("a namespace without its name", _insisting("ip netns delete $NS"), cuts=False),
    Damage("another namespace of that name", _insisting("ip netns delete $NS && ip netns add $NS"), cuts=False),
    Damage("a namespace's name is unmounted", "umount --lazy /run/netns/$NS", cuts=False),
    Damage(
        "another namespace is mounted over the name",
        "ip netns add other && mount --bind /run/netns/other /run/netns/$NS; ip netns delete other",
        cuts=False,
    ),
)

MACHINES = (
    Damage("a machine is removed", _in_namespace("wg set $LINK peer $KEY remove"), Detection.SWEEP),
    Damage(
        "a machine has another's address",
        _with_machine_anew("$OTHER_KEY", "$OTHER_ADDRESS/32,$ADDRESS/32"),
        Detection.SWEEP,
    ),
    Damage(
        "a machine added anew with everybody's addresses",
        _with_machine_anew("$KEY", "$NETWORK"),
        Detection.SWEEP,
    ),
    Damage(
        "a machine that nobody added",
        _in_namespace("wg set $LINK peer $STRANGER allowed-ips $NETWORK"),
        Detection.SWEEP,
        cuts=False,
    ),
    Damage(
        "another hub key",
        f"umask 077; echo $NEW_KEY > $FOLDER/key; {_in_namespace('wg set $LINK private-key $FOLDER/key')}",
        Detection.SWEEP,
    ),
    Damage("another port", _in_namespace("wg set $LINK listen-port 40404"), Detection.SWEEP),
)

PROCESSES = (
    Damage("WireGuard is killed", "kill -KILL $WIREGUARD", needs_process=True),
    Damage("WireGuard hangs", "kill -STOP $WIREGUARD", Detection.SWEEP, needs_process=True),
    Damage(
        "WireGuard can't be asked", "rm /var/run/wireguard/$LINK.sock", Detection.SWEEP, cuts=False, needs_process=True
    ),
)

UNMASKED = Damage("a front door that lets answers out as they are", "nft flush chain inet $DOOR answer", cuts=False)

MISLED = Damage(
    "a link that begins anew while the front door lets answers out as they are",
    f"ip -n $NS link delete $LINK; done=1; for again in $(seq 20); do {UNMASKED.command} && done=0; done; exit $done",
)
"""Two kinds of damage at once. The hub may repair the front door between its commands, so they are repeated."""

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
        # Adding a table that is there changes nothing; other damage may have deleted it.
        undo="nft 'add table inet filter; delete table inet filter'",
    ),
    Damage(
        "the host forwards, and filters reverse paths",
        "sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=1",
        cuts=False,
        undo="sysctl -qw net.ipv4.ip_forward=0 net.ipv4.conf.all.rp_filter=0",
    ),
)

SERVICE = (
    Damage("the hub's process is killed", "kill -KILL $HUB", Detection.RESTART, cuts=False),
    Damage("the web process is killed", "kill -KILL $WEB", Detection.RESTART, cuts=False),
    Damage("both processes are killed", "kill -KILL $HUB $WEB", Detection.RESTART, cuts=False),
)

FAMILIES = (RULES, ROUTES, LINK, NAMES, MACHINES, PROCESSES, FRONT_DOOR, HOST, SERVICE)
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
"""Damage that opens both barriers at once. The hub can't prevent it, and has to close them again."""
