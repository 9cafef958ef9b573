"""Breaks of the front door's memory and shares."""

from __future__ import annotations

from collections.abc import Callable

from appliance.hub.front_door import directory, rules
from appliance.hub.front_door.memory import SECOND_WORD, SESSIONS
from appliance.hub.front_door.rules import Layout
from appliance.hub.front_door.share import Share


def let_answers_renew_sessions() -> None:
    """Whatever looks like an answer to the hub's handshake makes its session last longer."""
    as_it_is: Callable[[Layout], dict[str, tuple[str, ...]]] = rules.chains_of
    found = f"udp dport set {SECOND_WORD} map @{SESSIONS.name}"
    renewed = f"{found} update @{SESSIONS.name} {{ {SECOND_WORD} : udp dport }} goto deliver"

    def renewing(layout: Layout) -> dict[str, tuple[str, ...]]:
        chains = as_it_is(layout)
        response = tuple(renewed if rule.startswith(found) else rule for rule in chains["response"])
        return {**chains, "response": response}

    rules.chains_of = renewing


def give_all_organizations_one_share() -> None:
    """All organizations' handshakes have one share together, of a size that is one's."""
    common = Share(2)

    class OneForAll(Share):
        """What one takes is gone for all."""

        def take(self, is_known: bool) -> bool:
            return common.take(is_known)

    directory.Share = OneForAll  # type: ignore[attr-defined]
