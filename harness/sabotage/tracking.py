"""Sabotage of how long connections are tracked."""

from __future__ import annotations

from appliance.hub.kernel import routing
from harness.sabotage.parts import replace_part

_SECONDS = "100"


def forget_between_repetitions() -> None:
    """Forgets a connection within the longest pause that TCP makes before it repeats what was not acknowledged."""
    timeouts = {f"net/netfilter/nf_conntrack_tcp_timeout_{name}" for name in ("unacknowledged", "max_retrans")}
    settings = {
        name: _SECONDS if name in timeouts else value for name, value in vars(routing)["_PER_NAMESPACE"].items()
    }
    replace_part(routing, "_PER_NAMESPACE", settings)
