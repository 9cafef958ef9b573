"""Sabotages of one way among several: a list's second page, a log-in's second step, a repetition, another spelling."""

from __future__ import annotations

from harness.sabotage.entry import Sabotage

_FACTOR = "test_a_second_factor_opens_once"

WAYS = (
    Sabotage(
        "pages-of-every-organization",
        "org-isolation",
        "the list of machines shows those of all organizations from its second page on",
        "store:list_machines_of_everyone",
        "test_no_call_tells_of_another_organization",
        "pages of a list showed something else",
    ),
    Sabotage(
        "removals-of-every-organization",
        "org-isolation",
        "an owner stops the removal of a second factor in another organization",
        "signin:stop_removals_of_everyone",
        "test_no_call_tells_of_another_organization",
        "a call knew another organization's id",
        one_of=("DELETE /factor-removals/{id} was answered 204",),
    ),
    Sabotage(
        "csrf-token-of-one-form-unchecked",
        "sign-in",
        "the form for a machine's new key is accepted with any CSRF token, or none",
        "signin:trust_forms_of_new_keys",
        "test_a_change_needs_the_sessions_own_csrf_token",
        "changes were not refused",
        one_of=("/rotate with no token", "/rotate with another session's token"),
    ),
    Sabotage(
        "waiting-log-ins-kept",
        "sign-in",
        "a log-in that waits for its code outlives a change of the password",
        "signin:keep_waiting_log_ins",
        _FACTOR,
        "a log-in that waited for its code outlived the password",
    ),
    Sabotage(
        "codes-not-counted",
        "sign-in",
        "wrong codes are not counted on the page for them",
        "signin:count_no_codes_on_the_page",
        _FACTOR,
        "wrong codes in a row were all checked",
    ),
    Sabotage(
        "forwarded-addresses-believed",
        "sign-in",
        "of the addresses that a trusted proxy passes on, the first one counts, which the caller may have made up",
        "signin:believe_what_proxies_pass_on",
        "test_a_customer_s_many_addresses_share_one_limit",
        "sign-ups of one customer passed the limit",
    ),
    Sabotage(
        "answers-with-keys-kept",
        "keys-at-rest",
        "the answer to a request with an Idempotency-Key is kept with the private key that it shows",
        "keys:keep_answers_with_keys",
        "test_private_keys_are_in_no_file_log_or_answer",
        "secrets are in the service's files",
        # That of the request with the key. The others are those of requests without one.
        one_of=("(machine key 2",),
    ),
    Sabotage(
        "groups-as-spelled",
        "edge-names",
        "a rule finds no group whose name it spells otherwise than the service stores it",
        "names:leave_groups_of_rules_as_spelled",
        "test_machines_and_groups_with_odd_names_work",
        "a rule about the group '",
    ),
    Sabotage(
        "default-range-in-configurations",
        "standard-config",
        "every configuration leads the default range to the hub",
        "configuration:name_the_default_range",
        "test_a_configuration_has_its_organizations_own_range",
        "is not in the published format",
    ),
    Sabotage(
        "narrow-links",
        "standard-config",
        "the hub's links have a smaller MTU than configurations name",
        "configuration:make_narrow_links",
        "test_a_configuration_has_its_organizations_own_range",
        "and the MTU allows it",
    ),
    Sabotage(
        "conditions-of-machines-not-looked-at",
        "policy-enforcement",
        "a change of a machine does not look at the ETag that it is to replace",
        "saving:look_at_no_condition_of_machines",
        "test_every_call_looks_at_its_condition_or_refuses_it",
        "calls with an ETag that nothing has were not refused",
    ),
    Sabotage(
        "a-machine-beyond-the-plan",
        "concurrent-adds",
        "a plan covers one machine more than it says",
        "addresses:count_one_machine_less",
        "test_a_free_plan_covers_two_machines_added_at_once",
        "where the free plan has room for",
    ),
    Sabotage(
        "disabled-machines-return",
        "self-healing",
        "a hub that starts gives disabled machines their tunnels",
        "restarts:bring_disabled_machines_back",
        "test_a_restored_store_is_in_force_as_it_was",
        "the kernel does not do what the policy says",
        one_of=("which is no machine",),
    ),
    Sabotage(
        "removed-machines-stay-named",
        "policy-enforcement",
        "expectations go on naming a machine that was removed",
        "saving:keep_expectations_of_machines",
        "test_every_call_looks_at_its_condition_or_refuses_it",
        "a machine was removed, and is still named",
    ),
)
