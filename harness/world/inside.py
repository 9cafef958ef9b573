"""What of an organization there is on the hub's host, found with the host's own tools, and damage done to it."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from harness.judging.verdicts import Inconclusive
from harness.overlay.mesh import Machine, Mesh
from harness.subject.installed import Installed
from harness.world.damage import Damage
from netlab import Completed, genkey, pubkey

# A look is a dozen programs, one after the other: seconds where the processor is emulated. This is for one that hangs.
_TOOLS_DEADLINE = 60.0


class Inside:
    """What there is of an organization on the hub's host.

    Args:
        mesh: the organization.
        machine: the machine that damage is done to.
        other: the one that gets what was its.

    Raises:
        Inconclusive: it can't be found.
    """

    def __init__(self, service: Installed, mesh: Mesh, machine: Machine, other: Machine) -> None:
        self._service = service
        self._hub = service.host
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
            self._service.signal(pids, signal.SIGSTOP)
            yield
        finally:
            self._service.signal(pids, signal.SIGCONT)

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
        # Others that see a packet before it let through what they have nothing to say about.
        judges = [each for each in chains if each.get("hook") == "prerouting" and each.get("policy") == "drop"]
        return next((each["table"], each["name"]) for each in judges)

    def _front_door(self) -> str:
        tables = [line.split()[-1] for line in self._run("nft list tables").stdout.splitlines()]
        if len(tables) != 1:
            raise Inconclusive(f"the hub's host has these tables, and one was expected: {tables}")
        return tables[0]

    def _key(self, mesh: Mesh, machine: Machine) -> str:
        return str(mesh.api.call("GET", f"/machines/{machine.id}").body["public_key"])

    def _wireguard(self) -> tuple[str, str]:
        """Process id and name of what serves the link."""
        told = self._run(_SERVES, env=self._variables).stdout.split()
        return (told[0], told[1]) if told else ("", "kernel")

    def _run(self, command: str, *, check: bool = True, env: Mapping[str, str] | None = None) -> Completed:
        return self._hub.run("sh", "-ec", command, check=check, env=env, timeout=_TOOLS_DEADLINE)


# A program is known by its name, and its link by a word of its own.
_SERVES = r"""
for file in $(grep --files-with-matches --null-data --line-regexp --no-messages -- "$LINK" /proc/[0-9]*/cmdline); do
    program=$(head --zero-terminated --lines=1 "$file" | tr -d '\0')
    pid=${file#/proc/}
    case $program in *wireguard-go | *boringtun-cli) echo "${pid%/cmdline} ${program##*/}"; break ;; esac
done
"""

# Links are numbered as they come; machines, routes and chains are listed as they come; queues depend on who made the
# link.
_LOOK = r"""
ip netns exec $NS sh -c '{
    printf "address\nlink\nroute show table all\nrule\n" | ip -oneline -batch -
    cd /proc/sys/net/ipv4
    head ip_forward conf/all/rp_filter conf/$LINK/rp_filter | tr "\n" " "
    echo
    wg show $LINK dump | awk "NR == 1 { print \$1, \$3 } NR > 1 { print \$1, \$4 }"
} 2>&1 | sed -E "s/^[0-9]+: //; s/ (qlen|qdisc) [^ ]+//g" | sort
nft --stateless list ruleset | sort'
nft --stateless --terse list table inet $DOOR
nft --stateless list set inet $DOOR inner
"""
