"""Counters as the kernel reports them, compared with nft(8)."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator

import pytest

from appliance.hub.kernel import counters, namespace
from appliance.hub.kernel.nft import Rulesets
from appliance.hub.ruleset import Count

MANY = 3000


@pytest.fixture
def place() -> Iterator[str]:
    name = f"mwgt-{os.getpid()}-counters"
    namespace.create(name)
    rulesets = Rulesets()
    declared = "".join(f"counter r_{n} {{ packets {n} bytes {n << 33} }}\n" for n in range(MANY))
    rulesets.load(name, f"table inet t {{\n{declared}quota q {{ over 5 mbytes }}\n}}")
    rulesets.load(name, "table inet u {\ncounter other { }\n}")
    yield name
    rulesets.forget(name)
    namespace.remove(name)


def test_exactly_the_counters_of_the_table_are_read(place: str) -> None:
    found = counters.read(place, "t")
    assert found == {f"r_{n}": Count(n, n << 33) for n in range(MANY)}
    listed = subprocess.run(
        ["ip", "netns", "exec", place, "nft", "-j", "list", "counters"], check=True, capture_output=True
    )
    by_nft = [each["counter"] for each in json.loads(listed.stdout)["nftables"] if "counter" in each]
    assert {each["name"]: Count(each["packets"], each["bytes"]) for each in by_nft if each["table"] == "t"} == found


def test_a_missing_table_has_no_counters(place: str) -> None:
    assert counters.read(place, "nowhere") == {}
