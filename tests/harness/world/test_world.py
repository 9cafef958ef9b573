"""Lab of scenarios: its machines reach the hub by one name, under the conditions that it meets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.subject.kinds import OwnService
from harness.subject.subject import Site, Subject
from harness.world.conditions import Conditions
from harness.world.world import ENDPOINT, World


class NotStarted(OwnService):
    """The lab's own service, which is not started."""

    def __enter__(self) -> NotStarted:
        return self


def not_started(site: Site) -> Subject:
    return NotStarted(site, endpoint=ENDPOINT)


@pytest.fixture
def world() -> Iterator[World]:
    with World(not_started) as made:
        yield made


@pytest.mark.parametrize(("outside", "hub"), [("IPv4", "192.0.2.1"), ("IPv6", "2001:db8::1")])
def test_machines_reach_the_hub_s_name_by_the_drawn_family(world: World, outside: str, hub: str) -> None:
    world.meet(Conditions(outside))
    machine = world.client("mumbai")
    assert machine.run("getent", "ahosts", ENDPOINT).stdout.split()[0] == hub == world.subject.address
    assert machine.ping(hub, timeout=5.0)
    (address,) = machine.addresses("eth0")
    assert (":" in address) == (outside == "IPv6")


def test_the_next_conditions_take_the_place_of_the_last(world: World) -> None:
    world.meet(Conditions("IPv6", "initiations", "messages"))
    assert world.meet(Conditions()) == {"outside": "IPv4", "lost": "nothing", "reordered": "nothing"}
    assert world.subject.address == "192.0.2.1"
    assert not world.lab.fabric.run(("nft", "list", "tables")).stdout


def test_reordering_ends_with_the_scenario(world: World) -> None:
    assert world.meet(Conditions(reorder="messages"))["reordered"] == "single messages of each session"
    assert "reordering" in world.lab.fabric.run(("nft", "list", "tables")).stdout
    assert world.part() == {"reordered": "nothing: none of 0 messages that were held back for 5 ms"}
    assert not world.lab.fabric.run(("nft", "list", "tables")).stdout
    assert world.part() == {}


def test_a_machine_that_can_t_lose_messages_says_so(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nft"
    program.write_text("#!/bin/sh\necho 'no such family' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    met = world.meet(Conditions(loss="responses", reorder="messages"))
    assert met["lost"] == "nothing, because nftables can't here: no such family"
    assert met["reordered"] == "nothing, because this machine can't: no such family"
