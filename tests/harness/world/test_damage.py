"""Damage to the hub's host: commands that a shell can parse, and undo after any other damage."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterator

import pytest

from harness.world.damage import CATALOGUE, FORCED_OPEN, HOST, MISLED, Damage
from netlab import Host, Lab


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with Lab() as lab:
        yield lab.host("hub")


@pytest.mark.parametrize("damage", [*CATALOGUE, *FORCED_OPEN, MISLED], ids=str)
def test_the_shell_can_parse_the_commands(damage: Damage) -> None:
    for command in (damage.command, damage.undo):
        subprocess.run(["sh", "-nc", command], check=True)


@pytest.mark.parametrize(("first", "second"), list(itertools.permutations(HOST, 2)), ids=str)
def test_damage_to_the_host_can_be_undone_after_any_other(host: Host, first: Damage, second: Damage) -> None:
    for command in (first.command, second.command, first.undo, second.undo):
        host.run("sh", "-ec", command)
    assert host.run("nft", "list", "ruleset").stdout == ""
