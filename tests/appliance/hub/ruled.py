"""Rulesets in a real namespace, and small organizations to load there."""

from __future__ import annotations

import re
import subprocess
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from hypothesis import strategies as st

from appliance.hub.kernel import namespace, nft, removal
from appliance.hub.kernel.nft import Rulesets
from appliance.hub.kernel.sockets import NetfilterSockets
from appliance.hub.ruleset import FULL, PACED, Compiler, Ruleset
from appliance.model.desired import Desired, Peer
from appliance.model.policy import ANYONE, Action, Policy, Protocol, Rule, Selector, SelectorKind
from appliance.model.port_ranges import parse_ports
from tests.appliance.hub.wire import Flow, Wire


def listing(name: str) -> str:
    """Returns the rules of the namespace of that name, as nft(8) prints them."""
    command = ["ip", "netns", "exec", name, "nft", "list", "ruleset"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


class Kernel:
    """A ruleset in a real namespace."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.rulesets = Rulesets()
        self.sockets = NetfilterSockets()
        self.compiler = Compiler()
        self.loaded = Ruleset()
        self._port = 1024

    def load(self, desired: Desired) -> None:
        """Loads a ruleset as the hub does, as a difference if there is one already."""
        wanted = self.compiler.compile(desired, self.wire.names.link)
        name = self.wire.names.namespace
        for text in changes(self.loaded, wanted) if self.loaded.chains else wanted.loading():
            if text:
                self.rulesets.load(name, text)
        gone = wanted.prepared(self.loaded).removal(self.loaded.names - wanted.names)
        for messages in removal.transactions(gone):
            self.sockets.change(name, messages)
        self.loaded = wanted

    def new_flow(self, source: Peer, destination: Peer, protocol: str, port: int) -> Flow:
        """Sends a packet of a connection that connection tracking has not seen."""
        self._port += 1
        if protocol == "gre":
            # Told apart by the ends alone.
            self.wire.forget_connections()
        return Flow(source.address, destination.address, protocol, port, self._port)

    def damage(self, data: st.DataObject) -> str:
        """Empties one chain, or deletes one rule, anywhere; the next load is of the whole ruleset."""
        # Without these two the hub answers no ping, by which we know when to look no longer; both drop by their policy.
        chain = data.draw(st.sampled_from(sorted(self._chains() - {"gate", "hub"})), label="chain")
        name = self.wire.names.namespace
        command = ["ip", "netns", "exec", name, "nft", "-a", "list", "chain", "inet", "mesh", chain]
        listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        rules = re.findall(r"^\t\t.* # handle (\d+)$", listing, re.MULTILINE)
        damage = data.draw(st.sampled_from([f"flush chain inet mesh {chain}", *rules]), label="damage")
        text = damage if damage.startswith("flush") else f"delete rule inet mesh {chain} handle {damage}"
        self.rulesets.load(name, text)
        self.loaded = Ruleset()
        return f"{chain}: {damage}"

    def _chains(self) -> set[str]:
        return {*self.loaded.chains, *self.loaded.leaves}

    def counts(self) -> dict[str, int]:
        """Returns the packets by the policy's counters."""
        counts = nft.counters(self.wire.names.namespace)
        return {name: count.packets for name, count in counts.items() if name not in (FULL, PACED)}

    def tracked(self) -> int:
        """Returns the number of tracked connections."""
        with namespace.entered(self.wire.names.namespace):
            return int(Path("/proc/sys/net/netfilter/nf_conntrack_count").read_text())

    def close(self) -> None:
        """Closes the sockets that keep the namespace alive."""
        self.rulesets.forget(self.wire.names.namespace)
        self.sockets.forget(self.wire.names.namespace)


def compile_ruleset(desired: Desired, link: str) -> Ruleset:
    """Compiles a state by itself."""
    return Compiler().compile(desired, link)


def changes(before: Ruleset, after: Ruleset) -> list[str]:
    """Returns the transactions that lead from one state to the other, removals included."""
    present = after.prepared(before)
    return [*after.preparation(before), after.activation(present)]


def members(count: int) -> tuple[Peer, ...]:
    """Makes machines in no group."""
    return tuple(Peer(f"m{number}", f"key{number}", IPv4Address("10.100.0.2") + number) for number in range(count))


def state_of(peers: tuple[Peer, ...], policy: Policy) -> Desired:
    """Makes the state of an organization with these machines."""
    return Desired("bbbbbbbbbb", IPv4Network("10.100.0.0/16"), 51820, "hub", b"", b"", peers, policy)


def rule(
    name: str,
    action: Action,
    source: Peer | None,
    destination: Peer | None,
    protocol: Protocol = Protocol.ANY,
    ports: str = "",
) -> Rule:
    """Makes a rule from one machine to another; None is any."""
    ends = [ANYONE if peer is None else Selector(SelectorKind.MACHINE, peer.id) for peer in (source, destination)]
    return Rule(name, action, ends[0], ends[1], protocol, parse_ports(ports))
