"""Every known break, the claim that it breaks, and where its code is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sabotage:
    """A break.

    Attributes:
        claim: the claim that it breaks.
        broke: what it does to the service, in words.
        function: ``module:function`` below this package.
        scenario: the function that has to notice it; the only one that is run against it.
        says: part of what that one has to say, so that it refutes the claim for this break and not for another reason.
    """

    id: str
    claim: str
    broke: str
    function: str
    scenario: str
    says: str


SABOTAGES = (
    Sabotage(
        "wrong-hub-key",
        "tunnel-handshake",
        "configurations name a hub key that is not the organization's",
        "configuration:name_another_hub_key",
        "test_two_machines_shake_hands_and_exchange_packets",
        "completed no handshake with the hub",
    ),
    Sabotage(
        "unknown-to-the-link",
        "tunnel-handshake",
        "a machine is stored and answered, but never given to the WireGuard link",
        "dataplane:keep_peers_from_the_link",
        "test_two_machines_shake_hands_and_exchange_packets",
        "completed no handshake with the hub",
    ),
    Sabotage(
        "names-start-lines",
        "standard-config",
        "names may have line breaks, and are written into the configuration as they are",
        "configuration:let_names_start_lines",
        "test_a_name_is_data",
        "was answered 201",
    ),
    Sabotage(
        "no-keepalive",
        "standard-config",
        "the configuration has no PersistentKeepalive",
        "configuration:forget_the_keepalive",
        "test_the_text_is_exact_and_wg_quick_takes_it",
        "the configuration is not in the published format",
    ),
    Sabotage(
        "flows-go-on",
        "policy-enforcement",
        "packets of connections that are established pass without being judged again",
        "rules:let_established_flows_go_on",
        "test_a_running_connection_is_cut_with_the_next_packet",
        "data crossed a denied connection",
    ),
    Sabotage(
        "answer-first",
        "policy-enforcement",
        "a save is answered first and enforced 150 ms later",
        "dataplane:answer_before_enforcing",
        "test_a_denied_machine_hears_nothing",
        "packets sent after the answer that denies them were delivered",
    ),
    Sabotage(
        "one-way-is-both",
        "policy-enforcement",
        "a rule from one machine to another is enforced in both directions",
        "rules:deny_both_directions",
        "test_a_denied_machine_hears_nothing",
        "packets that are allowed were lost",
    ),
    Sabotage(
        "namespace-by-range",
        "org-isolation",
        "organizations with the same address range share one network namespace",
        "dataplane:share_a_namespace_by_range",
        "test_twins_never_hear_each_other",
        "saw another organization's packets",
    ),
    Sabotage(
        "keys-of-everyone",
        "org-isolation",
        "a hub knows the machines of every organization by their keys",
        "dataplane:know_every_organization_s_keys",
        "test_a_stolen_configuration_opens_its_own_organization_alone",
        "a stolen configuration opened what is not its own",
    ),
    Sabotage(
        "machines-of-everyone",
        "org-isolation",
        "a machine is found by its id, whichever organization asks",
        "store:find_machines_of_everyone",
        "test_no_call_tells_of_another_organization",
        "a call knew another organization's id",
    ),
    Sabotage(
        "flush-then-load",
        "live-change",
        "a save flushes the rules, and loads the new ones a moment later",
        "rules:flush_then_load",
        "test_what_no_rule_speaks_of_loses_nothing",
        "packets that are allowed were lost",
    ),
    Sabotage(
        "peers-anew",
        "live-change",
        "with a machine that goes, all others are taken off the link and added again",
        "dataplane:add_every_peer_anew",
        "test_rules_that_change_nothing_for_a_stream_don_t_touch_it",
        "nothing arrives any more",
    ),
    Sabotage(
        "masquerade",
        "no-egress",
        "every namespace has an uplink, and packets to elsewhere leave through it under the hub's address",
        "egress:masquerade_through_an_uplink",
        "test_no_packet_leaves_the_mesh",
        "packets left the mesh for the internet",
    ),
    Sabotage(
        "leg-in-the-mesh",
        "no-egress",
        "the hub's host has a leg in each mesh, and forwards to it",
        "egress:route_the_overlay_from_the_host",
        "test_nobody_outside_reaches_a_machine",
        "packets from outside of the mesh reached a machine",
    ),
    Sabotage(
        "hub-answers",
        "no-egress",
        "the hub's address in the mesh is not filtered, and answers everything",
        "egress:let_the_hub_answer",
        "test_the_hub_answers_pings_and_nothing_else",
        "the hub answered something else than a ping",
    ),
    Sabotage(
        "lost-saves",
        "policy-churn",
        "every tenth change of the rules is answered and noted, and never loaded",
        "churn:lose_some_saves",
        "test_every_flip_lands_on_running_connections",
        "did not land",
    ),
    Sabotage(
        "tcp-is-remembered",
        "policy-churn",
        "a TCP connection is judged when it is opened, and then never again",
        "churn:remember_verdicts_on_tcp",
        "test_every_flip_lands_on_running_connections",
        "lines crossed it although it was denied",
    ),
    Sabotage(
        "first-groups",
        "policy-churn",
        "a machine keeps the groups that it was added with",
        "churn:keep_the_first_groups",
        "test_each_kind_of_change_lands",
        "cells differ from the policy",
    ),
    Sabotage(
        "peers-stay",
        "policy-churn",
        "a machine that is removed, or has a new key, stays a peer of the hub's link",
        "churn:leave_peers_in_the_link",
        "test_each_kind_of_change_lands",
        "a key that was taken away still",
    ),
    Sabotage(
        "default-unseen",
        "policy-churn",
        "a change of rules is looked for in the rules alone, and a new default waits for the next one",
        "churn:look_at_rules_alone",
        "test_any_history_leaves_what_the_policy_says",
        "cells differ from the policy",
    ),
    Sabotage(
        "mates-as-peers",
        "one-hub",
        "a new machine's configuration has the machines that are online as further peers",
        "onehub:introduce_mates",
        "test_a_configuration_names_nothing_but_the_hub",
        "has 2 peers",
    ),
    Sabotage(
        "a-port-for-each",
        "one-hub",
        "each organization has a port of its own, which its configurations name",
        "onehub:give_each_organization_a_port",
        "test_every_message_passes_the_hub",
        "the hub's link has {Leg(",
    ),
    Sabotage(
        "nobody-looks",
        "self-healing",
        "nothing is looked at after it was made",
        "healing:look_after_nothing",
        "test_what_was_opened_by_force_is_closed_again",
        "it is not as it was",
    ),
    Sabotage(
        "open-first",
        "self-healing",
        "rules that are made anew let everything through for 20 ms first",
        "healing:open_first",
        "test_damage_is_mended_and_nothing_denied_gets_through",
        "kolkata→pune: ",
    ),
    Sabotage(
        "stranger-stays",
        "self-healing",
        "where rules were changed, what somebody else added stays",
        "healing:keep_what_a_stranger_added",
        "test_what_was_opened_by_force_is_closed_again",
        "it is not as it was",
    ),
    Sabotage(
        "machines-remembered-as-given",
        "self-healing",
        "a link that was made anew does not get its machines",
        "healing:remember_machines_as_given",
        "test_damage_is_mended_and_nothing_denied_gets_through",
        "the link is gone: mumbai→pune is allowed, and its packets don't arrive",
    ),
    Sabotage(
        "taken-for-cut-off",
        "self-healing",
        "a web process that is started again takes every sign-up before for one that was cut off, and forgets it",
        "deletion:take_all_for_cut_off",
        "test_nothing_that_was_answered_is_lost",
        # 401 where the session is looked for, 404 where the rest is gone in the middle of a call.
        "was answered 40",
    ),
    Sabotage(
        "any-secret-opens",
        "keys-at-rest",
        "keys are sealed under what the store itself has, whatever the unlock secret is",
        "keys:derive_from_nothing",
        "test_no_start_without_the_secret",
        "a start with another secret was not refused",
    ),
    Sabotage(
        "configurations-kept",
        "keys-at-rest",
        "the private key of a configuration is kept, to be shown again",
        "keys:keep_configurations",
        "test_private_keys_are_nowhere",
        "secrets lie in the service's files",
    ),
    Sabotage(
        "seals-without-context",
        "keys-at-rest",
        "a sealed key does not say whose it is",
        "keys:seal_without_context",
        "test_sealed_keys_are_their_organization_s",
        "the hub took another organization's keys",
    ),
    Sabotage(
        "any-cookie-will-do",
        "sign-in",
        "a change by cookie is taken with any token, or none",
        "signin:trust_every_cookie",
        "test_a_change_needs_the_session_s_own_token",
        "changes were not refused",
    ),
    Sabotage(
        "guesses-uncounted",
        "sign-in",
        "wrong passwords are not counted",
        "signin:count_no_guesses",
        "test_guessing_is_slowed_and_tells_nothing",
        "wrong passwords in a row were all looked at",
    ),
    Sabotage(
        "sessions-outlive-the-password",
        "sign-in",
        "another password ends no session",
        "signin:keep_sessions",
        "test_a_session_ends_for_good",
        "sessions outlived the password",
    ),
    Sabotage(
        "codes-open-again",
        "sign-in",
        "nobody remembers which codes of a second factor were taken",
        "signin:take_codes_again",
        "test_a_second_factor_opens_once",
        "used codes open",
    ),
    Sabotage(
        "addresses-chosen-early",
        "concurrent-adds",
        "an address is chosen before its organization is held, and the database takes it twice",
        "addresses:choose_early",
        "test_a_crowd_gets_an_address_each",
        "addresses were given to two machines",
    ),
    Sabotage(
        "no-quiet-time",
        "concurrent-adds",
        "an address is given again as soon as its machine is removed",
        "addresses:give_again_at_once",
        "test_a_small_range_is_used_up_and_not_given_again_at_once",
        "the address of a removed machine was another's at once",
    ),
    Sabotage(
        "names-are-cut",
        "edge-names",
        "names are cut to their first 200 characters",
        "names:cut_names",
        "test_every_name_onboards_and_is_data_wherever_it_shows",
        "is called otherwise",
    ),
    Sabotage(
        "names-are-markup",
        "edge-names",
        "pages have names as they are, and a browser takes them for markup",
        "names:show_names_raw",
        "test_every_name_onboards_and_is_data_wherever_it_shows",
        "a name is markup on the page",
    ),
    Sabotage(
        "link-stays",
        "delete-org",
        "a deletion removes an organization from the store, and leaves its part of the data plane",
        "deletion:leave_the_link",
        "test_nothing_of_it_is_left",
        "packets sent after the answer that denies them were delivered",
    ),
    Sabotage(
        "sessions-are-remembered",
        "delete-org",
        "whose a session is, is looked up once and remembered",
        "deletion:remember_sessions",
        "test_nothing_of_it_is_left",
        "a session outlived its organization",
    ),
    Sabotage(
        "files-remember",
        "delete-org",
        "the store's journal keeps what was removed",
        "deletion:leave_the_files",
        "test_nothing_of_it_is_left",
        "the service's files still have",
    ),
    Sabotage(
        "port-remembered-as-free",
        "onboarding-burst",
        "which port is free for a new link is asked outside of the transaction that takes it",
        "burst:remember_the_free_port",
        "test_each_of_many_organizations_has_a_working_mesh",
        "POST /signup was answered 500",
    ),
    Sabotage(
        "address-of-before",
        "onboarding-burst",
        "a machine gets the address that was free before the transaction that adds it",
        "burst:take_the_address_that_was_free",
        "test_each_of_many_organizations_has_a_working_mesh",
        "has 10.100.0.2 for 2 of its machines",
    ),
    Sabotage(
        "mesh-on-order",
        "onboarding-burst",
        "sign-ups and machines are answered at once, and meshes are made afterwards, one after the other",
        "burst:answer_before_the_mesh_is_made",
        "test_each_of_many_organizations_has_a_working_mesh",
        "heard nothing of",
    ),
)

BY_ID = {sabotage.id: sabotage for sabotage in SABOTAGES}
