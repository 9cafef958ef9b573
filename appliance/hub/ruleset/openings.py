"""Bounds and paces of new connections, of machines and of the organization, after the policy has allowed them.

Only packets that the policy allows come here, so denied packets count against nobody. Nothing here can allow what the
policy denies, even after parts were deleted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv4Address

from appliance.hub.ruleset.chains import ALLOWED_MARK
from appliance.hub.ruleset.document import ChainDraft, Ruleset

FULL, PACED = "full", "paced"
"""Counters of new connections that were refused: by a bound, by a pace."""

MACHINE_PACE = "1000/second burst 2048 packets"
ORGANIZATION_PACE = "4000/second burst 8192 packets"

_METERS = 65536


@dataclass(frozen=True)
class FullMachines:
    """Machines that have reached their bound of connections.

    Attributes:
        everybody: True if the whole organization has reached its bound.
    """

    machines: frozenset[IPv4Address] = frozenset()
    everybody: bool = False

    def __bool__(self) -> bool:
        return self.everybody or bool(self.machines)


NONE_FULL = FullMachines()


def add_openings(draft: ChainDraft) -> None:
    """Add the chain that accepts allowed new connections within bounds."""
    # The chain is constant, so that its meters survive saves.
    draft.add(
        "opening",
        "jump full",
        (
            f"meter paces size {_METERS} {{ ip saddr timeout 30s limit rate over {MACHINE_PACE} }}"
            f' counter name "{PACED}" drop'
        ),
        f'limit rate over {ORGANIZATION_PACE} counter name "{PACED}" drop',
        f"meta mark {ALLOWED_MARK:#x} accept",
    )
    draft.add("full")


def refusing(ruleset: Ruleset, full: FullMachines) -> Ruleset:
    """Extend a ruleset so that it refuses new connections of these machines."""
    draft, drop = ChainDraft(), f'counter name "{FULL}" drop'
    if full.everybody:
        draft.add("full", drop)
    elif full.machines:
        draft.add_with_sets("full", f"ip saddr {{ {', '.join(map(str, sorted(full.machines)))} }} {drop}")
    return replace(ruleset, chains={**ruleset.chains, **draft.chains}, leaves={**ruleset.leaves, **draft.leaves})
