"""Ways in and out of a namespace that no rule decides about: its links, and the peers of the WireGuard link.

The proof takes for granted that the packets of the one link come from machines, each from its own address. WireGuard
sees to that (cryptokey routing) if its peers are the machines, so they are read back too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

from harness.proof.readback import Run

# wireguard-go and boringtun hold a TUN.
_KINDS = ("wireguard", "tun")


@dataclass(frozen=True)
class Ways:
    """Links of a namespace that are up.

    Attributes:
        peers: of each WireGuard link, the allowed addresses of each public key.
        others: name and kind of the others, but for ``lo``.
    """

    peers: Mapping[str, Mapping[str, tuple[str, ...]]]
    others: tuple[str, ...] = ()


def read_ways(run: Run) -> Ways:
    """Reads links and peers back."""
    peers: dict[str, dict[str, tuple[str, ...]]] = {}
    others = []
    for link in json.loads(run("ip", "-d", "-j", "link")):
        kind, name = link.get("linkinfo", {}).get("info_kind", "unknown"), link["ifname"]
        # A link that is down carries nothing, such as the tunnels that some kernels put into each namespace.
        if "UP" not in link["flags"] or link["link_type"] == "loopback":
            continue
        if kind in _KINDS:
            peers[name] = dict(map(_peer, run("wg", "show", name, "allowed-ips").splitlines()))
        else:
            others.append(f"{name} ({kind})")
    return Ways(peers, tuple(others))


def _peer(line: str) -> tuple[str, tuple[str, ...]]:
    key, allowed = line.split("\t")
    return key, tuple(each for each in allowed.split() if each != "(none)")


def strays(ways: Ways, keys: Mapping[IPv4Address, str]) -> Iterator[str]:
    """Says what leads elsewhere than to the machines, or not to one of them.

    Args:
        keys: public key of each machine, by its address.
    """
    for other in ways.others:
        yield f"the link {other} leads elsewhere"
    if len(ways.peers) != 1:
        yield f"there are {len(ways.peers)} WireGuard links"
    wanted = {key: (f"{address}/32",) for address, key in keys.items()}
    for link, peers in ways.peers.items():
        for key, allowed in peers.items():
            if key not in wanted:
                yield f"{link} has the peer {key}, which is no machine"
            elif allowed != wanted[key]:
                yield f"{link} lets the machine of {wanted[key][0]} send from {', '.join(allowed) or 'no address'}"
        for key in wanted.keys() - peers.keys():
            yield f"{link} has no peer for the machine of {wanted[key][0]}"
