"""Sabotages of policies that few packets, or few ways to save, show."""

from __future__ import annotations

from harness.sabotage.entry import Sabotage

_TABLE = "test_every_pair_protocol_and_port_follows_the_policy"

POLICY = (
    Sabotage(
        "ranges-within-ranges",
        "policy-enforcement",
        "a range of ports ends with another one of its rule that lies within it",
        "saving:end_ranges_with_inner_ones",
        _TABLE,
        "cells differ from the policy",
    ),
    Sabotage(
        "tcp-opener-unjudged",
        "policy-enforcement",
        "of a TCP connection, only the answers are judged again",
        "rules:judge_answers_alone",
        "test_a_running_connection_is_cut_with_the_next_packet",
        "data crossed a denied connection",
    ),
    Sabotage(
        "tcp-openings-pass",
        "policy-enforcement",
        "packets that open a TCP connection pass, and only the answers to them are judged",
        "rules:let_first_packets_pass",
        _TABLE,
        "arrived, though denied",
    ),
    Sabotage(
        "another-version-restored",
        "policy-enforcement",
        "the return to a version of the policy restores the one after it",
        "saving:restore_the_next_version",
        "test_a_restored_policy_is_enforced_when_answered",
        "is allowed, and nothing arrives",
        waits=True,
    ),
    Sabotage(
        "low-source-ports-pass",
        "policy-enforcement",
        "datagrams from the ports of well-known services pass",
        "rare:accept_low_source_ports",
        _TABLE,
        "arrived, though denied",
    ),
    Sabotage(
        "port-ranges-end-early",
        "policy-enforcement",
        "ranges of allowed ports end one port early",
        "rare:leave_the_last_port_out",
        _TABLE,
        "did not arrive, though allowed",
        waits=True,
    ),
    Sabotage(
        "one-of-many-buckets",
        "policy-enforcement",
        "a rule that is spread over four buckets or more is in the one beside its own",
        "rare:miss_one_of_many_buckets",
        "test_packets_of_a_large_policy_have_the_fate_that_it_says",
        "cells differ from the policy",
    ),
    Sabotage(
        "forgotten-between-repetitions",
        "policy-enforcement",
        "a connection is forgotten within the longest pause that TCP makes before it repeats data",
        "tracking:forget_between_repetitions",
        "test_a_denied_connection_does_not_come_back_by_timeout",
        "a denied connection came back by a timeout",
        waits=True,
    ),
    Sabotage(
        "single-rules-late",
        "policy-enforcement",
        "a single rule is answered first, and saved 150 ms later",
        "saving:answer_single_rules_first",
        "test_a_rule_is_enforced_however_it_is_saved",
        "packets sent after the answer that denies them were delivered",
    ),
    Sabotage(
        "changed-action-stays",
        "policy-enforcement",
        "a change of a rule's action is answered, and the rule keeps its action",
        "saving:leave_the_action_of_a_changed_rule",
        "test_a_rule_is_enforced_however_it_is_saved",
        "mumbai→pune is allowed, and nothing arrives",
        waits=True,
    ),
    Sabotage(
        "errors-swallowed",
        "policy-enforcement",
        "an error after each save is logged, and the save is answered as done",
        "saving:swallow_an_error_after_each_save",
        "test_a_refused_save_changes_nothing",
        "the service reports faults that nobody provoked: traceback: a saved policy was not counted",
    ),
    Sabotage(
        "checks-by-first-rule",
        "policy-enforcement",
        "a check is answered by the first rule that matches, in place of the first that denies",
        "saving:decide_by_the_first_rule",
        "test_the_check_call_equals_the_verdict_on_packets",
        "the service says allow, the policy deny",
    ),
    Sabotage(
        "rules-added-to-the-policy-before",
        "policy-enforcement",
        "a rule is added to the policy as it was when the request came, whatever was saved since",
        "saving:add_to_the_policy_as_it_was",
        "test_rules_saved_at_the_same_moment_are_all_enforced",
        "packets sent after the answer that denies them were delivered",
    ),
)
