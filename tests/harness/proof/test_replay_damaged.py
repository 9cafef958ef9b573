"""Deletions in a copy of a namespace, and rates that are used up there, beside what the proof computes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from scapy.layers.inet import IP
from scapy.utils import PcapNgReader

from harness.proof import Reading, fail_closed, prove
from harness.proof.damage import Deletion, damages, left_of
from harness.proof.fail_closed import FailClosed
from harness.proof.readback import read
from harness.proof.replay.capturing import Sight
from harness.proof.replay.circumstances import beyond_rates, delete, rates
from harness.proof.replay.comparing import compare
from harness.proof.replay.namespace import rebuilt
from harness.proof.replay.showing import show, show_openings
from tests.harness.proof.compiled import mixed, policy_of, small
from tests.harness.proof.ruleset_faults import Rule, edited, in_chain
from tests.harness.proof.test_fail_closed import trusting
from tests.harness.proof.test_replay import comment as comment_of

pytestmark = pytest.mark.long


def test_the_kernel_leaves_what_is_computed(small_reading: Reading) -> None:
    """One deletion of each kind and command: what is read back afterwards is what the proof takes to be left."""
    ruleset, routing = small_reading.parsed()
    found = damages(ruleset, routing, small_reading.listing, small_reading.link_indexes).deletions
    by_command = {(each.kind, *each.command.split()[:3]): each for each in found}
    assert {each.kind for each in by_command.values()} == {each.kind for each in found}
    for deletion in by_command.values():
        with rebuilt(small_reading) as copy:
            copy.enforce()
            delete(copy, small_reading.listing, [deletion])
            left = read(copy.run).parsed()
        ruleset_left, routing_left = left_of(ruleset, routing, deletion.parts)
        assert left[1].forwards == routing_left.forwards
        assert left[1].rules == routing_left.rules
        # A link takes its addresses with it, which are routes of the host itself, and its name.
        if deletion.kind != "link":
            assert _in_words(left[0].statements()) == _in_words(ruleset_left.statements()), deletion.command
            assert {name: each for name, each in left[1].routes.items() if each} == {
                name: each for name, each in routing_left.routes.items() if each
            }, deletion.command


def _in_words(statements: Iterator[object]) -> list[str]:
    return list(map(str, statements))


@pytest.mark.parametrize("denials", [1, pytest.param(2, marks=pytest.mark.full)])
def test_what_passes_after_deletions_is_captured(small_reading: Reading, denials: int, tmp_path: Path) -> None:
    """One deletion, and two that open nothing one by one."""
    found, reading = opened(small_reading, denials)
    openings = [each for each in found.openings if len(each.deletions) == denials][:4]
    assert openings
    for opening, shown in zip(openings, show_openings(reading, openings, tmp_path, "acme-damaged"), strict=True):
        assert shown.sight is Sight.AS_COMPUTED, (shown.says, str(opening))
        assert shown.file is not None
        with PcapNgReader(str(shown.file)) as packets:
            *_, arrived, left = list(packets)
        assert bytes(arrived[IP].payload) == bytes(left[IP].payload)
        comment = comment_of(arrived)
        assert f"After {' and '.join(opening.commands)}:" in comment
        assert opening.example.packet in comment
    # Without the deletions the same packets are dropped.
    for shown in show(reading, [each.example for each in openings], tmp_path, "acme"):
        assert shown.is_contradiction


def opened(reading: Reading, denials: int) -> tuple[FailClosed, Reading]:
    """Rules that so many deletions open."""
    wrong = trusting(reading, denials=denials)
    return fail_closed(wrong, policy_of(small()), pairs=denials > 1, most=1000 if denials > 1 else 8), wrong


def test_a_packet_by_a_link_that_is_gone_is_not_sent(small_reading: Reading, tmp_path: Path) -> None:
    found, reading = opened(small_reading, 1)
    link = next(name for name in reading.link_indexes if name != "lo")
    opening = replace(found.openings[0], deletions=(Deletion("link", f"ip link delete {link}", frozenset()),))
    (shown,) = show_openings(reading, [opening], tmp_path, "acme")
    assert shown.sight is not Sight.AS_COMPUTED
    assert not shown.is_contradiction
    assert shown.says == "not replayed: the link is deleted by which it arrives"


def test_each_rate_is_used_up(reading: Reading) -> None:
    limits = list(_limits(beyond_rates(reading.listing, rates(reading.listing))["nftables"]))
    assert limits
    assert {(each["rate"], each["rate_unit"], each["burst"]) for each in limits} == {(1, "bytes", 0)}
    assert all(each.get("inv") for each in limits)
    assert beyond_rates(reading.listing, frozenset()) == reading.listing


def _limits(value: object) -> Iterator[dict[str, object]]:
    if isinstance(value, dict):
        yield from ([value["limit"]] if "limit" in value else ())
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _limits(each)


def test_packets_beyond_a_rate_are_sent(reading: Reading) -> None:
    compared = compare(reading, 1)
    assert not compared.wrong, "\n".join(compared.wrong)
    assert not [each for each in compared.unreached if "rate" in each]
    assert compared.agreed + sum(compared.unreached.values()) == compared.pairs


def test_a_counterexample_beyond_a_rate_is_captured(reading: Reading, tmp_path: Path) -> None:
    """A denied packet passes once the rate is used up."""

    def accept_denied_beyond(rules: list[Rule]) -> None:
        accept = [{"mangle": {"key": {"meta": {"key": "mark"}}, "value": 1}}, {"accept": None}]
        limit = {"limit": {"rate": 7, "per": "second", "burst": 5, "inv": True}}
        for rule in in_chain(rules, "denials_other"):
            rule["expr"] = [limit, *accept]

    wrong = edited(reading, accept_denied_beyond)
    examples = [each for each in prove(wrong, policy_of(mixed()), most=8).counterexamples if each.fate == "forwarded"]
    assert examples
    assert all(each.is_beyond_rate for each in examples)
    for example, shown in zip(examples, show(wrong, examples, tmp_path, "acme"), strict=True):
        assert shown.sight is Sight.AS_COMPUTED, shown.says
        assert ", beyond a rate\n" in str(example)
    within = [replace(each, is_beyond_rate=False) for each in examples]
    assert all(each.is_contradiction for each in show(wrong, within, tmp_path, "acme"))
