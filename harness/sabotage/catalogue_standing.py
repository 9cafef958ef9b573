"""Sabotages of what is in service and who may change it: disabled, suspended, conditions, expectations, roles."""

from __future__ import annotations

from harness.sabotage.entry import Sabotage

_KINDS, _CONDITIONS = "test_each_kind_of_change_takes_effect", "test_a_save_against_its_conditions_changes_nothing"

STANDING = (
    Sabotage(
        "disabled-machine-stays",
        "policy-churn",
        "a machine that is disabled stays a peer of the hub's link",
        "standing:disable_in_the_store_alone",
        _KINDS,
        "a disabled machine still reaches",
    ),
    Sabotage(
        "returned-machine-left-out",
        "policy-churn",
        "rules about a machine are not enforced again when it is enabled again",
        "standing:leave_out_returned_machines",
        _KINDS,
        "arrived, though denied",
    ),
    Sabotage(
        "new-key-enables",
        "policy-churn",
        "a disabled machine is enabled by a new key",
        "standing:enable_by_a_new_key",
        _KINDS,
        "the hub answers the new key of a disabled machine",
    ),
    Sabotage(
        "suspension-in-the-store-alone",
        "policy-churn",
        "a suspended organization keeps its part of the data plane",
        "standing:suspend_in_the_store_alone",
        _KINDS,
        "a machine of a suspended organization still reaches",
    ),
    Sabotage(
        "suspended-programs-call",
        "policy-churn",
        "an API token opens its organization while that is suspended",
        "standing:let_suspended_programs_in",
        _KINDS,
        "a token of a suspended organization is answered",
    ),
    Sabotage(
        "address-of-disabled-given-at-once",
        "policy-churn",
        "the address of a machine that was disabled is given again as soon as it is removed",
        "addresses:keep_no_address_of_disabled_machines",
        _KINDS,
        "the address of a removed machine was given again at once",
    ),
    Sabotage(
        "condition-not-looked-at",
        "policy-enforcement",
        "a policy is saved whatever ETag the request names",
        "saving:look_at_no_etag",
        _CONDITIONS,
        "in place of an outdated version was answered 200",
    ),
    Sabotage(
        "condition-looked-at-first",
        "policy-enforcement",
        "the ETag of a request is looked at before its turn, and not when the rule is added",
        "saving:look_at_etags_first",
        _CONDITIONS,
        "two writers in place of one version at the same moment were answered",
    ),
    Sabotage(
        "expectations-not-checked",
        "policy-enforcement",
        "changes are made whatever expectations they break",
        "saving:expect_nothing",
        _CONDITIONS,
        "against an expectation was answered 200",
    ),
    Sabotage(
        "lowered-role-keeps-token",
        "policy-enforcement",
        "a token keeps the role that its member had when it was first used",
        "signin:keep_roles_of_tokens",
        "test_a_rule_is_enforced_however_it_is_saved",
        "a former admin's token that may write may save no rule",
    ),
    Sabotage(
        "connections-outlive-machines",
        "policy-churn",
        "connections of machines that are removed, disabled or get a new key stay tracked",
        "tracking:keep_connections",
        "test_each_kind_of_change_takes_effect",
        "the hub still tracks",
    ),
    Sabotage(
        "changes-leave-no-trail",
        "policy-churn",
        "the audit trail has no entry about machines and rules",
        "saving:leave_the_trail_out",
        "test_each_kind_of_change_takes_effect",
        "the audit trail tells of",
    ),
)
