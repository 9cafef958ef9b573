"""`up --demo`: real streams between WireGuard clients, which a visitor's form stops and lets go on."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from appliance.cli.errors import Exit
from appliance.model.demo import ORGANIZATION, STREAMS, DemoStream
from appliance.service.demo_lab import DemoLab
from harness.client.visitor import Visitor
from netlab import kill
from tests.appliance.cli.started import PORT, Run, answer, assert_one_sentence, children, refused, start_program
from tests.waiting import DEADLINE, wait_until

UDP = 1
"""Number of the stream over UDP."""


def lab() -> DemoLab:
    """Finds the state of the only demonstration here."""
    return DemoLab(next(Path("/run/meshwg").glob("*/demo.json"), None))


def going() -> list[bool]:
    """Tells of each stream whether packets arrive."""
    found = lab().look()
    return [] if found is None else [each.is_going(found.at_ns) for each in found.streams]


def has_published_since(moment_ns: int) -> bool:
    found = lab().look()
    return found is not None and found.at_ns > moment_ns


def processes() -> set[str]:
    """Lists the command lines of the sandbox."""
    found = set()
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.add(each.read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def is_of_demo(command: str) -> bool:
    return "harness.demo" in command or command.endswith("/wireguard-go demo ")


@pytest.mark.long
def test_streams_follow_flips_and_an_end_leaves_nothing(data: Path, runs: list[Run]) -> None:
    run = start_program(runs, data, "--demo", "--sign-up=closed")
    run.wait_until_ready()
    wait_until(lambda: going() == [True] * 3, going)
    visitor = Visitor(f"https://127.0.0.1:{PORT}", data / "tls" / "certificate.pem")
    flip(visitor, "deny", STREAMS[UDP])
    wait_until(lambda: going() == [True, False, True], going)
    assert "enforced in" in visitor.open("/demo").text
    flip(visitor, "deny", *STREAMS)
    wait_until(lambda: going() == [False] * 3, going)
    flip(visitor, "allow", *STREAMS)
    wait_until(lambda: going() == [True] * 3, going)
    visitor.close()
    assert run.stop() == 0
    assert not any(ORGANIZATION in each.name for each in Path("/run/netns").iterdir())
    assert not list(filter(is_of_demo, processes()))
    assert answer(data, "admin", "list")["organizations"] == []
    assert lab().path is None


@pytest.mark.long
def test_a_demo_comes_back_and_a_killed_one_is_swept(data: Path, runs: list[Run]) -> None:
    run = start_program(runs, data, "--demo")
    run.wait_until_ready()
    before = children(run.process.pid)
    assert set(before) == {"hub", "web", "demo"}
    os.kill(before["demo"], signal.SIGKILL)
    killed_ns = lab().clock()
    wait_until(lambda: has_published_since(killed_ns) and True in going(), going)
    found = answer(data, "admin", "list")["organizations"]
    assert [(each["id"], each["machines"], each["members"]) for each in found] == [(ORGANIZATION, 3, 0)]

    # All at once, so that nothing is removed in order.
    kill([run.process.pid, *children(run.process.pid).values()], DEADLINE)
    assert run.process.wait() == -signal.SIGKILL
    run = start_program(runs, data, "--demo", MESHWG_UNLOCK_SECRET_FILE=str(data.with_name("data.unlock-secret")))
    # Those before the demonstration's is made again.
    assert '"organizations": 0' in run.wait_until_ready()
    demo = children(run.process.pid)["demo"]
    run.process.kill()
    wait_until(lambda: not Path(f"/proc/{demo}").exists() and not any(map(is_of_demo, processes())), processes)


def flip(visitor: Visitor, action: str, *streams: DemoStream) -> None:
    """Sends a form for each of these streams."""
    for stream in streams:
        assert visitor.fill_in("/demo", "/demo", flip=f"{stream.rule} {action}").status_code == 303


def test_a_host_that_can_t_have_the_lab_is_refused(data: Path, runs: list[Run]) -> None:
    # The hub's programs are there, and wg-quick is not.
    programs = data.parent / "programs"
    programs.mkdir()
    for name in ("ip", "nft", "wireguard-go"):
        found = next(folder / name for folder in map(Path, os.environ["PATH"].split(":")) if (folder / name).exists())
        (programs / name).symlink_to(found)
    code, output = refused(runs, data, "--demo", PATH=str(programs))
    assert code == Exit.UNAVAILABLE, output
    assert_one_sentence(output)
    assert "there is no wg-quick and no wg" in output
    assert not (data / "store").exists()
