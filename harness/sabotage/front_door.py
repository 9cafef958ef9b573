"""Sabotages of the front door's memory, ways and shares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from appliance.hub.front_door import directory, rules, transactions
from appliance.hub.front_door.memory import FIRST_WORD, KNOWN4, KNOWN6, MEMORIES, RESUMED, SECOND_WORD, SESSIONS
from appliance.hub.front_door.rules import Layout
from appliance.hub.front_door.share import Share
from harness.sabotage.parts import NothingReplaced, replace_part


def let_answers_renew_sessions() -> None:
    """Renews a session on any packet that looks like an answer to the hub's handshake."""
    found = f"udp dport set {SECOND_WORD} map @{SESSIONS.name}"
    renewed = f"{found} update @{SESSIONS.name} {{ {SECOND_WORD} : udp dport }} goto deliver"
    _change_chain("response", lambda chain: tuple(renewed if rule.startswith(found) else rule for rule in chain))


def let_outsiders_write_sessions() -> None:
    """Learns the sender's index of an answer that comes from outside, as it does those of the hub's own answers."""
    _change_chain("begin", lambda chain: (f"add @{SESSIONS.name} {{ {FIRST_WORD} : udp dport }}", *chain))


def let_links_answer_unasked() -> None:
    """Lets a link make sessions by answers to what was never handed to it."""
    _change_chain("introduce", lambda chain: (*chain[:-1], "goto learn"))


def let_data_follow_its_source() -> None:
    """Leads a data message of no known session to the link that has answered its source."""
    following = f"udp dport set ip saddr . udp sport map @{KNOWN4.name} goto deliver"
    _change_chain("session", lambda chain: (*chain[:-1], following, chain[-1]))


def resume_over_ipv4_alone() -> None:
    """Looks a source up over IPv4 alone where the table has lost its sessions."""
    _change_chain("resume", lambda chain: tuple(rule for rule in chain if RESUMED[6].name not in rule))


def learn_one_session_of_a_source() -> None:
    """Learns the first session of a source alone, and none that its machine begins anew."""
    known = (
        f"udp sport set ip daddr . udp dport map @{KNOWN4.name} goto sign",
        f"ip6 daddr . udp dport @{KNOWN6.name} goto sign",
    )
    _change_chain("introduce", lambda chain: (*known, *chain))


def forget_sessions_in_use() -> None:
    """Forgets a session after 100 s; its machine shakes hands again after 120 s."""
    found = tuple(replace(each, lease_s=100) if each is SESSIONS else each for each in MEMORIES)
    if found == MEMORIES:
        raise NothingReplaced("the front door's table has no map of sessions")
    replace_part(transactions, "MEMORIES", found)


def drop_strange_datagrams_uncounted() -> None:
    """Drops datagrams that are no message of WireGuard's without counting them."""
    _change_chain("public", lambda chain: (*chain[:-1], "drop"))


def bind_sessions_to_addresses() -> None:
    """Leads messages of a session by the address that its handshake came from."""
    bound = f"udp dport set ip saddr . udp sport map @{KNOWN4.name} goto deliver"
    _change_chain("session", lambda chain: (bound, chain[-1]))
    _change_chain("resume", lambda chain: chain[-1:])


def answer_by_the_link_of_the_address() -> None:
    """Sends answers by the link that has the address which the machine sent to."""
    _change_chain("answer", lambda chain: tuple(each for each in chain if not each.startswith("meta mark set")))


def _change_chain(name: str, change: Callable[[tuple[str, ...]], tuple[str, ...]]) -> None:
    original: Callable[[Layout], dict[str, tuple[str, ...]]] = rules.chains_of

    def changed(layout: Layout) -> dict[str, tuple[str, ...]]:
        chains = original(layout)
        changed_chain = change(chains[name])
        if changed_chain == chains[name]:
            raise NothingReplaced(f"nothing to change in the rules of {name}")
        return {**chains, name: changed_chain}

    rules.chains_of = changed


def give_all_organizations_one_share() -> None:
    """Makes all organizations share the handshakes that one organization may have."""
    common = Share(2)

    class OneForAll(Share):
        """Share that all organizations take from."""

        def take(self, is_known: bool) -> bool:
            return common.take(is_known)

    replace_part(directory, "Share", OneForAll)
