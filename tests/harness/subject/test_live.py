"""A gate over a service that somebody else runs: reached from outside of its sandbox, and left as it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive
from harness.subject.kinds import RemoteService
from harness.subject.live import Live, Shell
from harness.subject.outward import Outward
from harness.world.world import World
from netlab import sandbox

DEADLINE = 120.0


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Somebody else's service, and this process as everybody."""
    with World() as made:
        yield made


def gate(world: World, *options: str) -> subprocess.CompletedProcess[str]:
    # A sandbox below this one: this one is its outside.
    outside = {key: value for key, value in os.environ.items() if key != sandbox.MARK}
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "appliance",
            "gate",
            "--target",
            world.subject.service.url,
            f"--authority={world.subject.service.certificate}",
            *options,
        ],
        env=outside,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )


def organizations(world: World) -> int:
    return len(world.subject.service.census())


def test_nobody_attacks_a_service_that_others_use() -> None:
    live = Live("https://192.0.2.1", Outward(0))
    for way, may in ((live, False), (replace(live, ssh=Shell("root@vpn.example.net", 0, None, "")), True)):
        elsewhere = World(partial(RemoteService, live=way))
        try:
            with nullcontext() if may else pytest.raises(Inconclusive, match="attacks the hub"):
                elsewhere.subject.check_may_attack()
        finally:
            elsewhere.lab.close()


def test_a_claim_is_proven_through_the_front_and_nothing_is_left(world: World) -> None:
    world.organization(Record())
    before = organizations(world)
    done = gate(world, "--claim", "tunnel-handshake")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pass" in done.stdout
    assert organizations(world) == before
    transcript = json.loads(Path("reports/out/latest/transcript.json").read_text(encoding="utf-8"))
    assert transcript["sabotage"] == []
    # Addresses of the outside are nobody's business who reads it.
    assert world.subject.service.url not in json.dumps(transcript)


def test_what_takes_the_inside_of_its_host_is_inconclusive_and_says_so(world: World) -> None:
    done = gate(world, "--claim", "self-healing")
    assert done.returncode == 1
    assert "it takes what the service's own host shows" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    "options", [["--target", "http://127.0.0.1"], ["--target", "https://127.0.0.1/api"], ["--sabotage"]]
)
def test_bad_usage_is_told_before_anything_begins(world: World, options: list[str]) -> None:
    assert gate(world, *options).returncode == 64
