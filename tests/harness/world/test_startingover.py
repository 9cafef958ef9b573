"""Contents of rules that are compared after a start: what decides about packets, and nothing that the kernel chose."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from harness.proof import Reading
from harness.world.startingover import Contents, contents
from tests.harness.proof.listings import ACCEPT, DROP, listing, match, meta


def of(entries: dict[str, Any], link: int = 2) -> Contents:
    """Returns the contents of a namespace with these rules, and a link of this index."""
    links = [{"ifindex": 1, "ifname": "lo"}, {"ifindex": link, "ifname": "wg"}]
    return contents(Reading(entries, "", [], [], links, {"net.ipv4.ip_forward": "1"}, ("6.1", "x86_64")))


def with_counter(packets: int) -> dict[str, Any]:
    made = listing([ACCEPT])
    made["nftables"].append(
        {"counter": {"family": "inet", "table": "t", "name": "unmatched", "handle": packets, "packets": packets}}
    )
    return made


def test_the_kernel_s_numbers_and_counts_are_left_out() -> None:
    later = deepcopy(with_counter(1))
    for entry in later["nftables"]:
        for each in entry.values():
            each["handle"] += 100
    later["nftables"][-1]["counter"]["packets"] = 2
    assert of(later) == of(with_counter(1)) != of(listing([ACCEPT]))


@pytest.mark.parametrize("hook", [{"prio": 10}, {"policy": "accept"}, {"hook": "forward"}], ids=str)
def test_another_hook_is_a_difference(hook: dict[str, Any]) -> None:
    assert of(listing([ACCEPT], **hook)) != of(listing([ACCEPT]))


def test_another_rule_and_another_table_are_differences() -> None:
    second = listing([ACCEPT])
    second["nftables"].append({"table": {"family": "inet", "name": "older", "handle": 9}})
    first = of(listing([ACCEPT]))
    assert first.differences(of(listing([DROP]))) == ["rules of inet t base"]
    assert first.differences(of(second)) == ["table inet None older"]


def test_a_link_that_was_made_anew_is_no_difference() -> None:
    rules = listing([match(meta("iifname"), "wg"), ACCEPT])
    assert of(rules, 7) == of(rules) != of(listing([match(meta("oifname"), "wg"), ACCEPT]))
