"""Sabotages of the front door's memory and shares."""

from __future__ import annotations

from collections.abc import Callable

from appliance.hub.front_door import directory, rules
from appliance.hub.front_door.memory import SECOND_WORD, SESSIONS
from appliance.hub.front_door.rules import Layout
from appliance.hub.front_door.share import Share
from harness.sabotage.parts import NothingReplaced, replace_part


def let_answers_renew_sessions() -> None:
    """Renews a session on any packet that looks like an answer to the hub's handshake."""
    original: Callable[[Layout], dict[str, tuple[str, ...]]] = rules.chains_of
    found = f"udp dport set {SECOND_WORD} map @{SESSIONS.name}"
    renewed = f"{found} update @{SESSIONS.name} {{ {SECOND_WORD} : udp dport }} goto deliver"

    def renewing(layout: Layout) -> dict[str, tuple[str, ...]]:
        chains = original(layout)
        response = tuple(renewed if rule.startswith(found) else rule for rule in chains["response"])
        if response == chains["response"]:
            raise NothingReplaced("no rule looks up the session of a response")
        return {**chains, "response": response}

    rules.chains_of = renewing


def give_all_organizations_one_share() -> None:
    """Makes all organizations share the handshakes that one organization may have."""
    common = Share(2)

    class OneForAll(Share):
        """Share that all organizations take from."""

        def take(self, is_known: bool) -> bool:
            return common.take(is_known)

    replace_part(directory, "Share", OneForAll)
