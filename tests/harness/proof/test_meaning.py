"""Meaning of expressions and states, by single packets whose fate is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.proof import Unmodelled
from harness.proof.atoms import Fate
from harness.proof.bitvectors.packet import unknown
from harness.proof.bitvectors.way import Walk
from harness.proof.fields import RELATED, Flow
from harness.proof.meaning import bucket
from harness.proof.ruleset import Ruleset
from tests.harness.proof.fates import ROUTING, fate
from tests.harness.proof.listings import ACCEPT, DROP, MARK, ct, header, match, meta, pairs_of_equals, parsed

PASS = [MARK, ACCEPT]
FORWARDED, DROPPED, DELIVERED = {Fate.FORWARDED}, {Fate.DROPPED}, {Fate.DELIVERED}
TRACKED = match(ct("state"), ["new", "established", "related"], "in")


def passing(*conditions: Any) -> Ruleset:
    """Rules that let pass what meets these conditions and has a connection, and drop all else."""
    return parsed([*conditions, TRACKED, *PASS])


@pytest.mark.parametrize(
    ("condition", "flow", "passes"),
    [
        # A reply's own addresses are those of its connection, exchanged.
        (match(header("ip", "saddr"), "10.100.0.2"), Flow.NEW, True),
        (match(header("ip", "saddr"), "10.100.0.2"), Flow.REPLY, False),
        (match(header("ip", "daddr"), "10.100.0.2"), Flow.REPLY, True),
        (match(ct("ip saddr", "original"), "10.100.0.2"), Flow.REPLY, True),
        (match(ct("ip saddr", "reply"), "10.100.0.3"), Flow.ORIGINAL, True),
        (match(header("tcp", "dport"), 22), Flow.ORIGINAL, True),
        (match(header("tcp", "dport"), 22), Flow.REPLY, False),
        (match(header("tcp", "sport"), 22), Flow.REPLY, True),
        (match(ct("proto-dst", "original"), 22), Flow.REPLY, True),
        (match(ct("proto-src", "original"), 22), Flow.ORIGINAL, False),
        (match(header("udp", "dport"), 22), Flow.ORIGINAL, False),
        (match(header("udp", "dport"), 22, "!="), Flow.ORIGINAL, False),
        (match(header("tcp", "dport"), 22, "!="), Flow.ORIGINAL, False),
        (match(header("tcp", "dport"), {"range": [20, 22]}), Flow.ORIGINAL, True),
        (match(header("tcp", "dport"), 1023, ">"), Flow.ORIGINAL, False),
        (match(meta("l4proto"), "tcp"), Flow.ORIGINAL, True),
        (match(ct("state"), "new", "in"), Flow.NEW, True),
        (match(ct("state"), "new", "in"), Flow.NEW_CONFIRMED, True),
        (match(ct("state"), "new", "in"), Flow.ORIGINAL, False),
        (match(ct("state"), "established", "in"), Flow.REPLY, True),
        (match(ct("status"), "confirmed", "in"), Flow.NEW, False),
        (match(ct("status"), "confirmed", "in"), Flow.NEW_CONFIRMED, True),
        (match(ct("direction"), "reply"), Flow.REPLY, True),
        (match(ct("direction"), "reply"), Flow.ORIGINAL, False),
        (match(meta("iifname"), "wg"), Flow.NEW, True),
        (match(meta("iifname"), "lo"), Flow.NEW, False),
        (match(meta("oifname"), "wg"), Flow.NEW, False),
        (match(meta("nfproto"), "ipv4"), Flow.NEW, True),
        (match(header("ip", "saddr"), {"prefix": {"addr": "10.100.0.0", "len": 24}}), Flow.NEW, True),
        (match({"&": [header("ip", "saddr"), "255.255.255.0"]}, "10.100.0.0"), Flow.NEW, True),
        (match({"&": [header("ip", "saddr"), "255.255.255.0"]}, "10.100.1.0"), Flow.NEW, False),
        (match({"&": [header("tcp", "dport"), 6]}, 6), Flow.NEW, True),
        (match({"&": [header("tcp", "dport"), 7]}, 7), Flow.NEW, False),
    ],
)
def test_fields(condition: Any, flow: Flow, passes: bool) -> None:
    assert fate(passing(condition), flow) == (FORWARDED if passes else DROPPED)


@pytest.mark.parametrize("flow", RELATED)
def test_an_error_has_the_connection_s_fields_and_its_own(flow: Flow) -> None:
    def is_met(*conditions: Any) -> bool:
        return fate(passing(*conditions), flow, kind=3) == FORWARDED

    assert is_met(match(ct("state"), "related", "in"))
    assert is_met(match(meta("l4proto"), "icmp"), match(ct("protocol"), "tcp"))
    assert is_met(match(header("icmp", "type"), "destination-unreachable"))
    assert is_met(match(ct("ip saddr", "original"), "10.100.0.2"), match(ct("proto-dst", "original"), 22))
    assert not is_met(match(header("tcp", "dport"), 22))
    about_original = flow in (Flow.ABOUT_ORIGINAL_BY_END, Flow.ABOUT_ORIGINAL_BY_OTHER)
    # It goes to the sender of what it quotes.
    opener, other = ("10.100.0.2", "10.100.0.3") if about_original else ("10.100.0.3", "10.100.0.2")
    assert is_met(match(header("ip", "daddr"), opener))
    by_end = flow in (Flow.ABOUT_ORIGINAL_BY_END, Flow.ABOUT_REPLY_BY_END)
    assert is_met(match(header("ip", "saddr"), other if by_end else "10.100.0.4"))
    assert is_met(match(ct("direction"), "reply" if about_original else "original"))
    assert is_met(match({"&": [{"payload": {"base": "th", "offset": 64, "len": 8}}, 0xF0]}, 0x40))


@pytest.mark.parametrize(
    ("flow", "sender", "mask", "passes"),
    [
        (Flow.ABOUT_ORIGINAL_BY_END, "0.0.0.0", 0xF, True),
        (Flow.ABOUT_REPLY_BY_END, "0.0.0.0", 0xF0, True),
        # 10.100.0.4 is not 10.100.0.3, to which the quoted packet was sent; their upper bits are the same.
        (Flow.ABOUT_ORIGINAL_BY_OTHER, "10.100.0.4", 0xF, False),
        (Flow.ABOUT_REPLY_BY_OTHER, "10.100.0.4", 0xF, False),
    ],
)
def test_two_fields_are_compared_by_pairs(flow: Flow, sender: str, mask: int, passes: bool) -> None:
    ruleset = passing(pairs_of_equals(mask))
    got = fate(ruleset, flow, kind=3, sender=sender)
    assert got == (FORWARDED if passes else DROPPED)


def test_pairs_that_are_not_all_pairs_are_refused() -> None:
    incomplete = pairs_of_equals(0xF)
    del incomplete["match"]["right"]["set"][3]
    with pytest.raises(Unmodelled):
        fate(passing(incomplete), Flow.ABOUT_ORIGINAL_BY_END, kind=3)


@pytest.mark.parametrize("flow", [Flow.INVALID, Flow.UNSEEN])
def test_without_a_connection_there_is_nothing_to_read(flow: Flow) -> None:
    """The rule ends, whichever way it asks."""
    for op in ("==", "!="):
        ruleset = parsed([match(ct("ip saddr", "original"), "10.100.0.2", op), *PASS])
        assert fate(ruleset, flow) != FORWARDED


@pytest.mark.parametrize(
    ("flow", "kind", "exists"),
    [
        (Flow.NEW, 8, True),
        (Flow.NEW, 0, False),
        (Flow.NEW, 3, False),
        (Flow.REPLY, 0, True),
        (Flow.REPLY, 8, False),
        (Flow.INVALID, 0, True),
        (Flow.ABOUT_ORIGINAL_BY_END, 5, True),
        (Flow.ABOUT_ORIGINAL_BY_END, 8, False),
    ],
)
def test_the_kernel_s_states_of_icmp(flow: Flow, kind: int, exists: bool) -> None:
    assert bool(fate(passing(), flow, "icmp", kind=kind)) is exists


def chained(*rules: list[Any], **chains: list[list[Any]]) -> Ruleset:
    """A base chain with the policy drop, and others; a last rule of the base chain lets everything pass."""
    return parsed([TRACKED], *rules, PASS, chains=chains)


def test_a_jump_comes_back_and_a_goto_does_not() -> None:
    assert fate(chained([{"jump": {"target": "a"}}], a=[])) == FORWARDED
    assert fate(chained([{"goto": {"target": "a"}}], a=[])) == DROPPED
    assert fate(chained([{"jump": {"target": "a"}}], a=[[{"goto": {"target": "b"}}], [DROP]], b=[])) == FORWARDED
    assert fate(chained([{"jump": {"target": "a"}}], a=[[{"return": None}], [DROP]])) == FORWARDED
    assert fate(chained([{"goto": {"target": "a"}}], a=[[{"return": None}]])) == DROPPED


def dispatch(key: Any, *elements: Any) -> dict[str, Any]:
    """A verdict map."""
    return {"vmap": {"key": key, "data": {"set": [list(each) for each in elements]}}}


def test_a_verdict_map_goes_on_where_it_says_so_or_has_no_key() -> None:
    port = ct("proto-dst", "original")
    rest = [[dispatch(port, (22, DROP))]]
    assert fate(chained(*rest)) == DROPPED
    assert fate(chained(*rest), ports=(1, 23)) == FORWARDED
    on = [[dispatch(port, (22, {"continue": None}), ("*", ACCEPT)), DROP]]
    assert fate(chained(*on)) == DROPPED
    # Accepted without the mark that a route wants.
    assert fate(chained(*on), ports=(1, 23)) == DROPPED


def test_maps_write_registers_and_end_rules_without_a_key() -> None:
    value = {"map": {"key": ct("ip saddr", "original"), "data": {"set": [["10.100.0.2", 1], ["10.100.0.9", 7]]}}}
    rule = [TRACKED, {"mangle": {"key": meta("mark"), "value": value}}, ACCEPT]
    assert fate(parsed(rule)) == FORWARDED
    assert fate(parsed(rule), source="10.100.0.9") == DROPPED
    assert fate(parsed(rule, PASS), source="10.100.0.8") == FORWARDED


def test_arithmetic_of_the_mark() -> None:
    def setting(value: Any) -> dict[str, Any]:
        return {"mangle": {"key": meta("mark"), "value": value}}

    counting = [TRACKED, setting(0xABCD00), setting({"|": [{"&": [meta("mark"), 0xFFFF00]}, 0x12]})]
    for wanted, passes in ((0xABCD12, True), (0xABCD00, False)):
        got = fate(parsed(counting, [match(meta("mark"), wanted), *PASS]))
        assert got == (FORWARDED if passes else DROPPED)


def test_a_rate_leaves_both_fates_open() -> None:
    """A packet beyond a rate may have another fate than one within."""
    limit = {"limit": {"rate": 1, "per": "second", "inv": True}}
    ruleset = parsed([TRACKED, limit, DROP], PASS)
    assert fate(ruleset) == FORWARDED | DROPPED


@pytest.mark.parametrize("mark", [0, 1, 2])
def test_only_the_mark_has_a_route(mark: int) -> None:
    ruleset = parsed([TRACKED, {"mangle": {"key": meta("mark"), "value": mark}}, ACCEPT])
    assert fate(ruleset) == (FORWARDED if mark == 1 else DROPPED)


def test_the_host_s_own_address() -> None:
    assert fate(passing(), destination="10.100.0.1") == DELIVERED
    # Forged: it can't come from outside.
    assert fate(passing(), source="10.100.0.1") == DROPPED


def test_nothing_is_forwarded_unless_the_kernel_forwards() -> None:
    assert fate(passing(), routing=replace(ROUTING, forwards=False)) == DROPPED


def test_untracked_packets() -> None:
    def early(*more: list[Any]) -> Ruleset:
        first = parsed([match(header("tcp", "dport"), 22), {"notrack": None}], prio=-300, policy="accept")
        second = parsed([TRACKED, *PASS], *more)
        return Ruleset((*first.tables, *second.tables))

    assert fate(early(), Flow.UNTRACKED) == DROPPED
    assert fate(early([match(ct("state"), "untracked", "in"), *PASS]), Flow.UNTRACKED) == FORWARDED
    # Such packets are in no other state, and no others are in this one.
    assert fate(early(), Flow.NEW) == set()
    assert fate(early(), Flow.UNTRACKED, ports=(1, 23)) == set()
    assert fate(early(), Flow.NEW, ports=(1, 23)) == FORWARDED


def test_late_notrack_marks_what_has_no_connection() -> None:
    ruleset = parsed([{"notrack": None}], [match(ct("state"), "untracked", "in"), *PASS], [TRACKED, DROP])
    assert fate(ruleset, Flow.UNTRACKED_LATE) == FORWARDED
    assert fate(ruleset, Flow.NEW) == DROPPED


@pytest.mark.parametrize(
    "field", [ct("proto-dst", "original"), meta("l4proto"), header("tcp", "dport"), ct("state"), meta("iifname")]
)
def test_hashes_of_short_fields_are_refused(field: dict[str, Any]) -> None:
    """Neither engine knows how they lie in a register."""
    hashed = {"jhash": {"expr": field, "mod": 2, "seed": 0, "offset": 0}}
    ruleset = parsed([TRACKED, match(hashed, 0), *PASS])
    with pytest.raises(Unmodelled, match="a hash of"):
        fate(ruleset)
    with pytest.raises(Unmodelled, match="a hash of"):
        Walk(ruleset, ROUTING, unknown()).ends()


@pytest.mark.parametrize("hook", ["forward", "postrouting"])
def test_later_hooks_can_drop(hook: str) -> None:
    first = passing()
    second = parsed([match(meta("oifname"), "wg"), DROP], hook=hook, prio=0, policy="accept")
    assert fate(Ruleset((*first.tables, *second.tables))) == DROPPED


@pytest.mark.parametrize(
    "ruleset",
    [
        parsed([TRACKED, *PASS], prio=-200),
        parsed([TRACKED, *PASS], prio=-450),
        parsed([match(header("tcp", "flags"), 2), TRACKED, *PASS]),
        parsed([match(ct("mark"), 2), TRACKED, *PASS]),
        parsed([match(ct("status"), "snat", "in"), *PASS]),
        parsed([match(ct("status"), "confirmed"), *PASS]),
        parsed([match({"&": [ct("status"), 2]}, 0), *PASS]),
        parsed([match({"payload": {"base": "th", "offset": 0, "len": 16}}, 1), TRACKED, *PASS]),
        parsed([match({"&": [header("ip", "saddr"), "0.0.0.15"]}, "0.0.0.1"), TRACKED, *PASS]),
        parsed(PASS),
    ],
    ids=[
        "tracking",
        "reassembly",
        "flags",
        "ct mark",
        "nat",
        "whole status",
        "bits of the status",
        "raw bits",
        "address mask",
        "no tracking at all",
    ],
)
def test_what_has_no_meaning_is_refused(ruleset: Ruleset) -> None:
    with pytest.raises(Unmodelled):
        fate(ruleset)


@pytest.mark.parametrize("words", [(0x0200640A,), (0x0200640A, 0x0300640A), (1, 2, 3)])
def test_buckets_lie_within_the_modulus(words: tuple[int, ...]) -> None:
    assert {bucket(words, 4, seed, 10) for seed in range(64)} == {10, 11, 12, 13}


def test_a_longer_key_is_refused() -> None:
    with pytest.raises(Unmodelled):
        bucket((1, 2, 3, 4), 4, 0, 0)
