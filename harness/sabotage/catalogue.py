"""Every known break, the claim that it breaks, and where its code is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sabotage:
    """A break.

    Attributes:
        claim: the claim whose scenarios have to notice it.
        broke: what it does to the service, in words.
        function: ``module:function`` below this package.
    """

    id: str
    claim: str
    broke: str
    function: str


SABOTAGES = (
    Sabotage(
        "wrong-hub-key",
        "tunnel-handshake",
        "configurations name a hub key that is not the organization's",
        "configuration:name_another_hub_key",
    ),
    Sabotage(
        "unknown-to-the-link",
        "tunnel-handshake",
        "a machine is stored and answered, but never given to the WireGuard link",
        "dataplane:keep_peers_from_the_link",
    ),
    Sabotage(
        "names-start-lines",
        "standard-config",
        "names may have line breaks, and are written into the configuration as they are",
        "configuration:let_names_start_lines",
    ),
    Sabotage(
        "no-keepalive",
        "standard-config",
        "the configuration has no PersistentKeepalive",
        "configuration:forget_the_keepalive",
    ),
    Sabotage(
        "flows-go-on",
        "policy-enforcement",
        "packets of connections that are established pass without being judged again",
        "rules:let_established_flows_go_on",
    ),
    Sabotage(
        "answer-first",
        "policy-enforcement",
        "a save is answered first and enforced 150 ms later",
        "dataplane:answer_before_enforcing",
    ),
    Sabotage(
        "one-way-is-both",
        "policy-enforcement",
        "a rule from one machine to another is enforced in both directions",
        "rules:deny_both_directions",
    ),
    Sabotage(
        "namespace-by-range",
        "org-isolation",
        "organizations with the same address range share one network namespace",
        "dataplane:share_a_namespace_by_range",
    ),
    Sabotage(
        "machines-of-everyone",
        "org-isolation",
        "a machine is found by its id, whichever organization asks",
        "store:find_machines_of_everyone",
    ),
    Sabotage(
        "flush-then-load",
        "live-change",
        "a save flushes the rules, and loads the new ones a moment later",
        "rules:flush_then_load",
    ),
)

BY_ID = {sabotage.id: sabotage for sabotage in SABOTAGES}
