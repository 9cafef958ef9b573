"""Processes of a service that was started as operators start it: privileges, secrets, heaps, and restarts by SIGHUP."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from appliance.cli.privileged import NEEDED_CAPABILITIES
from appliance.host.clocks import HOST
from tests.appliance.cli.conftest import ended, place, sweeping
from tests.appliance.cli.started import (
    Run,
    answer,
    children,
    sign_up,
    start_program,
    wait_for_health,
    were_replaced,
)
from tests.waiting import wait_until

pytestmark = pytest.mark.long

SECRET = "a secret that nobody guesses"


@dataclass(frozen=True)
class Service:
    """A running service.

    Attributes:
        data: its data folder.
        begun: times at which its first processes began, in the kernel's ticks, by their command.
    """

    run: Run
    data: Path
    begun: Mapping[str, int]

    @property
    def pids(self) -> dict[str, int]:
        """Returns the ids of its processes by their command."""
        return children(self.run.process.pid)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Runs a service for the tests of this module, which leave it running."""
    data = place(tmp_path_factory.mktemp("service"))
    with sweeping(), ended() as runs:
        run = start_program(runs, data, MESHWG_UNLOCK_SECRET=SECRET)
        run.wait_until_ready()
        yield Service(run, data, {name: _begun(pid) for name, pid in children(run.process.pid).items()})
        assert run.stop() == 0


def _begun(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def test_the_web_process_loads_while_the_hub_starts(service: Service) -> None:
    assert service.begun["web"] <= service.begun["hub"]


def test_the_threads_of_each_process_share_a_heap(service: Service) -> None:
    for number in range(3):
        sign_up(f"organization-{number}")
    assert {name: _heaps_of_threads(pid) for name, pid in service.pids.items()} == {"hub": 0, "web": 0}


def _heaps_of_threads(pid: int) -> int:
    """Counts the heaps of single threads: each begins and ends at a multiple of 64 MiB (HEAP_MAX_SIZE in glibc)."""
    found = re.findall(r"^(\w+)-(\w+) (\S+)", Path(f"/proc/{pid}/maps").read_text(), re.MULTILINE)
    return sum(
        int(first[0], 16) % 2**26 == int(second[1], 16) % 2**26 == 0 and (first[2], second[2]) == ("rw-p", "---p")
        for first, second in pairwise(found)
    )


def test_the_hub_has_only_the_privileges_that_it_needs(service: Service) -> None:
    sign_up("privileged")
    hub = service.pids["hub"]
    status = _status(hub)
    needed = sum(1 << capability for capability in NEEDED_CAPABILITIES)
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == int(status["CapBnd"], 16) == needed
    assert status["NoNewPrivs"] == "1"
    assert _leaves_no_core(hub)


def test_the_web_process_has_no_privilege_and_no_secret(service: Service) -> None:
    web, hub = (service.pids[name] for name in ("web", "hub"))
    assert SECRET.encode() not in Path(f"/proc/{hub}/environ").read_bytes()
    assert _leaves_no_core(service.run.process.pid)
    for pid in (web, *(int(each) for each in Path(f"/proc/{web}/task/{web}/children").read_text().split())):
        status = _status(pid)
        assert "0" not in status["Uid"].split()
        assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == int(status["CapBnd"], 16) == 0
        assert status["NoNewPrivs"] == "1"
        assert _leaves_no_core(pid)
        assert SECRET.encode() not in Path(f"/proc/{pid}/environ").read_bytes()


def test_a_killed_web_process_leaves_what_it_believes(service: Service) -> None:
    """Keeps a clock that was set forward from being believed with each start of the process."""
    before = service.pids
    believed = _variable(before["web"], "MESHWG_CLOCK_OFFSET")
    os.kill(before["web"], signal.SIGKILL)
    wait_until(lambda: service.pids.get("web", before["web"]) != before["web"])
    wait_for_health()
    assert _variable(service.pids["web"], "MESHWG_CLOCK_OFFSET") == pytest.approx(believed, abs=1)
    assert _variable(service.pids["web"], "MESHWG_CLOCK_OFFSET") == pytest.approx(HOST.ahead(), abs=1)


def test_sighup_restarts_both_processes_and_keeps_tunnels(service: Service) -> None:
    sign_up("kept")
    before, tunnels = service.pids, answer(service.data, "census")["organizations"]
    assert tunnels
    service.run.process.send_signal(signal.SIGHUP)
    wait_until(lambda: were_replaced(service.run.process.pid, before))
    wait_for_health("/readyz")
    assert answer(service.data, "census")["organizations"] == tunnels


def _status(pid: int) -> dict[str, str]:
    return dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())


def _variable(pid: int, name: str) -> float:
    variables = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return float(dict(each.split("=", 1) for each in variables if each)[name])


def _leaves_no_core(pid: int) -> bool:
    """Tells if the process can't leave a core dump; its files in /proc are root's then."""
    limits = Path(f"/proc/{pid}/limits").read_text()
    is_private = Path(f"/proc/{pid}/environ").stat().st_uid == 0
    return is_private and re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE) is not None
