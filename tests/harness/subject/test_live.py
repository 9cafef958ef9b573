"""Gate over a service outside of the gate's sandbox, which it leaves as it was."""

from __future__ import annotations

import json
import subprocess
import sys
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
from tests.appliance import forks
from tests.sandboxes import outside

pytestmark = pytest.mark.long

DEADLINE = 120.0


def gate(world: World, *options: str) -> subprocess.CompletedProcess[str]:
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
        env=outside(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )


def organizations(world: World) -> int:
    return len(world.subject.service.census())


def test_a_service_that_others_use_is_attacked_only_with_a_shell() -> None:
    live = Live("https://192.0.2.1", Outward(0))
    for remote, is_allowed in ((live, False), (replace(live, ssh=Shell("root@vpn.example.net", 0, None, "")), True)):
        elsewhere = World(partial(RemoteService, live=remote))
        try:
            with nullcontext() if is_allowed else pytest.raises(Inconclusive, match="attacks the hub"):
                elsewhere.subject.check_may_attack()
        finally:
            elsewhere.lab.close()


def test_a_claim_proven_from_outside_leaves_no_organization(world: World) -> None:
    world.organization(Record())
    before = organizations(world)
    done = gate(world, "--claim", "tunnel-handshake")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pass" in done.stdout
    assert organizations(world) == before
    transcript = json.loads(Path("reports/out/latest/transcript.json").read_text(encoding="utf-8"))
    assert transcript["sabotage"] == []
    # A transcript is public; the service's address is not.
    assert world.subject.service.url not in json.dumps(transcript)


def test_a_claim_that_needs_the_service_s_host_is_inconclusive(world: World) -> None:
    done = gate(world, "--claim", "self-healing")
    assert done.returncode == 1
    assert "it needs the service's own host" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    "options",
    [["--target=http://127.0.0.1"], ["--target=https://127.0.0.1/api"], ["--target=https://127.0.0.1", "--sabotage"]],
)
def test_bad_usage_exits_with_64(options: list[str]) -> None:
    assert forks.run(["gate", *options], outside()).returncode == 64
