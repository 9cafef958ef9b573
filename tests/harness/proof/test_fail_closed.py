"""Deletions of everything in a namespace, and rulesets that one or two of them open."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace

import pytest

from harness.proof import Reading, Unmodelled, prove
from harness.proof.damage import damages, left_of
from harness.proof.fail_closed import fail_closed
from tests.appliance.hub.ruled import Kernel
from tests.harness.proof.compiled import mixed, policy_of, reading_of, small

pytestmark = pytest.mark.long


def listed(reading: Reading, kind: str) -> int:
    """Number of objects of a kind that nft listed."""
    return sum(kind in entry for entry in reading.listing["nftables"])


def trusting(reading: Reading, *, denials: int = 1) -> Reading:
    """Rules that do what they should, but for that nothing shows whether a packet passed the denials.

    Args:
        denials: how often packets are sent to them.
    """
    changed = deepcopy(reading.listing)
    entries = []
    for entry in changed["nftables"]:
        text = json.dumps(entry)
        copies = 1
        if entry.get("rule", {}).get("chain") == "judge":
            if "allowances" in text:
                entry["rule"]["expr"] = entry["rule"]["expr"][-1:]
            if "jump" in text:
                copies = denials
        for copy in range(copies):
            entries.append(deepcopy(entry))
            if "rule" in entry:
                entries[-1]["rule"]["handle"] += 10_000 * copy
    # The second time, packets are past the denials already: what counts them has to let them by.
    for entry in entries:
        if "denials" in entry.get("rule", {}).get("chain", "") or "_past" in entry.get("rule", {}).get("chain", ""):
            entry["rule"]["expr"] = [each for each in entry["rule"]["expr"] if "match" not in each]
    return replace(reading, listing={"nftables": entries})


def test_no_deletion_opens_a_compiled_policy(reading: Reading) -> None:
    found = fail_closed(reading, policy_of(mixed()))
    assert found.holds, "\n".join(map(str, found.openings))
    assert found.deletions["rule"] == listed(reading, "rule")
    # Each chain is flushed or, where nothing leads to it, deleted as well.
    assert found.deletions["chain"] + found.refused["chain"] == 2 * listed(reading, "chain")
    assert found.refused["object"] == listed(reading, "counter")
    assert found.deletions["route"] > len(reading.routes)
    assert found.evaluated > found.deletions["rule"]


def test_no_pair_of_deletions_opens_a_small_policy(small_reading: Reading) -> None:
    found = fail_closed(small_reading, policy_of(small()), pairs=True)
    assert found.holds, "\n".join(map(str, found.openings))
    single = sum(found.deletions.values())
    assert found.pairs == single * (single - 1) // 2


def test_a_deletion_that_opens_is_found(small_reading: Reading) -> None:
    """A rule that alone drops a packet lets it pass once the rule is deleted."""
    reading = trusting(small_reading)
    assert prove(reading, policy_of(small())).holds
    found = fail_closed(reading, policy_of(small()), most=1)
    assert not found.holds
    (opening,) = found.openings
    assert len(opening.commands) == 1
    assert "tcp" in opening.example.packet
    assert ":22" in opening.example.packet
    assert str(opening).startswith("after nft ")


def test_a_pair_that_opens_is_found(small_reading: Reading) -> None:
    """Two rules that drop the same packets open nothing until both are deleted."""
    reading = trusting(small_reading, denials=2)
    assert prove(reading, policy_of(small())).holds
    judge = [entry["rule"]["handle"] for entry in reading.listing["nftables"] if _chain(entry) == "judge"][:2]
    found = fail_closed(reading, policy_of(small()), pairs=True, most=1000)
    wanted = tuple(f"nft delete rule inet mesh judge handle {handle}" for handle in judge)
    commands = [opening.commands for opening in found.openings]
    assert wanted in commands
    assert not {(each,) for each in wanted} & set(commands)


def _chain(entry: dict[str, dict[str, str]]) -> str:
    return entry.get("rule", {}).get("chain", "")


def test_what_the_kernel_refuses_is_no_damage(reading: Reading) -> None:
    """A chain that a rule leads to can be flushed, and not deleted."""
    ruleset, routing = reading.parsed()
    commands = {each.command for each in damages(ruleset, routing, reading.listing, reading.link_indexes).deletions}
    assert "nft flush chain inet mesh judge" in commands
    assert "nft delete chain inet mesh judge" not in commands
    assert "nft delete chain inet mesh gate" in commands


def test_elements_of_named_sets_are_refused(reading: Reading) -> None:
    ruleset, routing = reading.parsed()
    listing = {"nftables": [{"set": {"family": "inet", "name": "s", "table": "mesh", "handle": 1}}]}
    with pytest.raises(Unmodelled, match="the set s"):
        damages(ruleset, routing, listing, reading.link_indexes)


def test_the_kernel_agrees_about_deletions(kernel: Kernel) -> None:
    """Each deletion of chains and rules that is taken for possible is, and the others are not."""
    kernel.load(mixed())
    ruleset, routing = (reading := reading_of(kernel)).parsed()
    refused = []
    for table in ruleset.tables:
        for name in table.chains:
            text = f"delete chain {table} {name}"
            try:
                kernel.rulesets.load(kernel.wire.names.namespace, f"{text}\n")
            except Exception:  # noqa: BLE001 - whatever it is called
                refused.append(name)
            else:
                kernel.loaded = type(kernel.loaded)()
                kernel.load(mixed())
    possible = damages(ruleset, routing, reading.listing, reading.link_indexes)
    assert len(refused) == possible.refused["chain"]


def test_chains_that_lose_nothing_are_the_same(reading: Reading) -> None:
    ruleset, routing = reading.parsed()
    found = damages(ruleset, routing, reading.listing, reading.link_indexes)
    flush = next(each for each in found.deletions if each.command == "nft flush chain inet mesh judge")
    left, _ = left_of(ruleset, routing, flush.parts)
    before, after = ruleset.tables[0].chains, left.tables[0].chains
    assert not after["judge"].rules
    assert {name for name in before if after[name] is not before[name]} == {"judge"}
