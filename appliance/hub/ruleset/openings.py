"""What a new connection meets after the policy has allowed it: its opener's bound and pace, and its organization's.

Only packets that the policy allows come here, so nobody's denied packets count against anybody; and nothing here allows
what the policy denies, whatever is deleted of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv4Address

from appliance.hub.ruleset.chains import ALLOWED_MARK
from appliance.hub.ruleset.document import Draft, Ruleset

FULL, PACED = "full", "paced"
"""The counters of new connections that were refused: by a bound, by a pace."""

MACHINE_PACE = "1000/second burst 2048 packets"
ORGANIZATION_PACE = "4000/second burst 8192 packets"

_METERS = 65536


@dataclass(frozen=True)
class Full:
    """Machines that have as many connections as they may.

    Attributes:
        everybody: the whole organization has as many as it may.
    """

    machines: frozenset[IPv4Address] = frozenset()
    everybody: bool = False

    def __bool__(self) -> bool:
        return self.everybody or bool(self.machines)


NOBODY = Full()


def add_openings(draft: Draft) -> None:
    """The chain for new connections that the policy allows, which accepts what is within bounds."""
    # Constant, so that its meters go on from save to save.
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


def refusing(ruleset: Ruleset, full: Full) -> Ruleset:
    """The ruleset, but that these machines open no new connection."""
    draft, drop = Draft(), f'counter name "{FULL}" drop'
    if full.everybody:
        draft.add("full", drop)
    elif full.machines:
        draft.add_with_sets("full", f"ip saddr {{ {', '.join(map(str, sorted(full.machines)))} }} {drop}")
    return replace(ruleset, chains={**ruleset.chains, **draft.chains}, leaves={**ruleset.leaves, **draft.leaves})
