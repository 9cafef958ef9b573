"""Values of the metrics' labels are documented, each of them, and no others."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import fields

from appliance.hub.findings import DamagedPart
from appliance.hub.front_door import demultiplexer
from appliance.hub.front_door.front import DoorCounters
from appliance.hub.front_door.memory import MEMORIES
from appliance.web.network_allowance import EVERYBODY, LEVELS
from harness.paths import ROOT

DOCS = ROOT / "docs"
OPERATING = (DOCS / "operating.md").read_text()
NOTES = ("_ask", "_count", "_join", "_refuse", "_take", "note")


def documented(label: str) -> list[str]:
    """Lists the values in the table of a label."""
    table = OPERATING.partition(f"\n| `{label}` of `meshwg_")[2].partition("\n\n")[0]
    firsts = [row.split("|")[1] for row in table.splitlines()[2:]]
    return sorted(value for first in firsts for value in re.findall(r"`([^`]+)`", first))


def limits() -> Iterator[str]:
    """Lists the names of limits in the code of the web process."""
    for file in (ROOT / "appliance" / "web").glob("*.py"):
        for call in ast.walk(ast.parse(file.read_text())):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.args):
                continue
            name, first = call.func.attr, call.args[0]
            if name in NOTES and isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value
                if name == "_ask":
                    yield f"{first.value}-to-one"


def test_fates_of_packets_are_documented() -> None:
    assert documented("fate") == sorted(each.name for each in fields(DoorCounters))


def test_damaged_parts_are_documented() -> None:
    assert documented("part") == sorted(each.value for each in DamagedPart)


def test_limits_are_documented() -> None:
    # The web process hands this one over as an argument.
    found = {*limits(), "connections"}
    assert len(found) > 20
    assert documented("limit") == sorted(found)


def test_levels_of_limits_are_documented() -> None:
    said = OPERATING.partition("Its `level` says")[2].partition("`memory`")[0]
    assert sorted(re.findall(r"`([^`]+)`", said)) == sorted((*LEVELS, EVERYBODY, "one"))


def test_memories_of_the_front_door_are_documented() -> None:
    said = (DOCS / "decisions" / "0025-door-memory.md").read_text() + OPERATING
    named = re.findall(r"`([a-z0-9_]+)`", said)
    # Networks of strangers are named by the bits alone.
    named += [f"strangers{bits}" for bits in (64, 56, 48)]
    assert {*(each.name for each in MEMORIES), *demultiplexer.ROOMS} <= set(named)
