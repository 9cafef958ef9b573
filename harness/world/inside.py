"""Parts of an organization on the hub's host, found by the host's own tools, and damage to them."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from harness.judging.verdicts import Inconclusive
from harness.overlay.machine import Machine
from harness.overlay.mesh import Mesh
from harness.subject.installed import Installed
from harness.world.damage import Damage
from netlab import Completed, genkey, pubkey


class Inside:
    """Parts of an organization on the hub's host, as variables of shell commands.

    Args:
        service: the service, with access to its host.
        mesh: the organization.
        machine: machine whose peer is damaged.
        other: machine that gets the address of ``machine``.

    Raises:
        Inconclusive: the organization's namespace, or the front door's table, can't be found.
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
        """Name of the WireGuard implementation of the link."""
        return self._wireguard()[1]

    def is_possible(self, damage: Damage) -> bool:
        """Returns True unless the damage needs a WireGuard process, and the link is the kernel's."""
        return not damage.needs_process or bool(self._wireguard()[0])

    def variables(self) -> Mapping[str, str]:
        """Returns the variables of commands, with the current process ids."""
        return {
            **self._variables,
            "WIREGUARD": self._wireguard()[0],
            "HUB": " ".join(map(str, self._service.children("hub"))),
            "WEB": " ".join(map(str, self._service.children("web"))),
        }

    def apply(self, damage: Damage) -> bool:
        """Does damage; returns True if its command succeeds."""
        return self._run(damage.command, check=False, env=self.variables()).returncode == 0

    @contextmanager
    def hub_suspended(self) -> Iterator[None]:
        """Suspends the hub process (SIGSTOP) for as long as ``with`` lasts, so that damage is not repaired."""
        pids = self._service.children("hub")
        try:
            self._service.signal(pids, signal.SIGSTOP)
            yield
        finally:
            self._service.signal(pids, signal.SIGCONT)

    def undo(self, damage: Damage) -> None:
        """Removes the part of damage that the hub does not repair."""
        if damage.undo:
            self._run(damage.undo, env=self.variables())

    def snapshot(self) -> str:
        """Returns the state of organization and front door by the host's tools; equal while nothing is damaged."""
        done = self._run(_LOOK, check=False, env=self._variables)
        return done.stdout + done.stderr

    def _judging_chain(self, namespace: str) -> tuple[str, str]:
        listed = json.loads(self._run(f"ip netns exec {namespace} nft --json list chains").stdout)["nftables"]
        chains = [each["chain"] for each in listed if "chain" in each]
        # The judging chain drops by default; other chains at this hook accept by default.
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
        """Returns process id and name of the link's WireGuard; no id for the kernel's."""
        found = self._run(_WIREGUARD_PROCESS, env=self._variables).stdout.split()
        return (found[0], found[1]) if found else ("", "kernel")

    def _run(self, command: str, *, check: bool = True, env: Mapping[str, str] | None = None) -> Completed:
        return self._hub.run("sh", "-ec", command, check=check, env=env)


# The process has the name of a known program, and the link's name as an argument.
_WIREGUARD_PROCESS = r"""
for file in $(grep --files-with-matches --null-data --line-regexp --no-messages -- "$LINK" /proc/[0-9]*/cmdline); do
    program=$(head --zero-terminated --lines=1 "$file" | tr -d '\0')
    pid=${file#/proc/}
    case $program in *wireguard-go | *boringtun-cli) echo "${pid%/cmdline} ${program##*/}"; break ;; esac
done
"""

# Link numbers, order of lines, and queues differ between equal states, so they are removed or sorted.
_LOOK = r"""
ip netns exec $NS sh -c '{
    printf "address\nlink\nroute show table all\nrule\n" | ip -oneline -batch -
    cd /proc/sys/net/ipv4
    head ip_forward conf/all/rp_filter conf/all/send_redirects conf/$LINK/rp_filter | tr "\n" " "
    echo
    wg show $LINK dump | awk "NR == 1 { print \$1, \$3 } NR > 1 { print \$1, \$4 }"
} 2>&1 | sed -E "s/^[0-9]+: //; s/ (qlen|qdisc) [^ ]+//g" | sort
nft --stateless list ruleset | sort'
nft --stateless --terse list table inet $DOOR
nft --stateless list set inet $DOOR inner
"""
