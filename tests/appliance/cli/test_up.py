"""`up` from outside: refusals, traces after its end, and restarts."""

from __future__ import annotations

import os
import re
import signal
import socket
from itertools import pairwise
from pathlib import Path

import pytest

from appliance.cli.errors import Exit
from appliance.cli.privileged import NEEDED_CAPABILITIES
from tests.appliance.cli.started import (
    PORT,
    Run,
    answer,
    assert_one_sentence,
    call,
    children,
    refused,
    sign_up,
    start,
    start_program,
    wait_for_health,
    were_replaced,
)
from tests.waiting import wait_until


def test_a_second_start_needs_the_unlock_secret(data: Path, runs: list[Run]) -> None:
    first = start_program(runs, data)
    said = first.wait_until_ready()
    secret = data.with_name("data.unlock-secret")
    assert str(secret) in said
    assert secret.stat().st_mode & 0o777 == 0o600
    assert secret.read_text().strip() not in said
    # A second service on the same folder is turned away while the first one runs.
    code, output = refused(runs, data, f"--listen=127.0.0.1:{PORT + 1}", MESHWG_UNLOCK_SECRET_FILE=str(secret))
    assert code == Exit.BUSY
    assert_one_sentence(output)
    assert first.stop() == 0

    code, output = refused(runs, data)
    assert code == Exit.NOT_CONFIGURED
    assert_one_sentence(output)
    code, output = refused(runs, data, MESHWG_UNLOCK_SECRET="a wrong secret, but long enough")
    assert code == Exit.NOT_CONFIGURED
    assert_one_sentence(output)

    second = start(runs, data, MESHWG_UNLOCK_SECRET_FILE=str(secret))
    second.wait_until_ready()
    assert second.stop(signal.SIGINT) == 0


def test_a_taken_port_leaves_nothing_behind(data: Path, runs: list[Run]) -> None:
    with socket.create_server(("127.0.0.1", PORT)):
        code, output = refused(runs, data)
    assert code == Exit.ADDRESS_IN_USE
    assert_one_sentence(output)
    assert not (data / "store").exists()
    assert not data.with_name("data.unlock-secret").exists()


@pytest.mark.parametrize(
    ("arguments", "environment", "code"),
    [
        (["--wireguard=boringtun"], {"PATH": "/nowhere"}, Exit.UNAVAILABLE),
        (["--trusted-source=nowhere"], {}, Exit.NOT_CONFIGURED),
        (["--database-url=sqlite:////proc/none/x"], {}, Exit.CANNOT_CREATE),
        (["--endpoint=https://vpn.example.net"], {}, Exit.NOT_CONFIGURED),
        (["--endpoint="], {}, Exit.NOT_CONFIGURED),
        (["--data="], {}, Exit.NOT_CONFIGURED),
        ([], {"MESHWG_ENDPOINT": "\udcff"}, Exit.NOT_CONFIGURED),
        ([], {"MESHWG_UNLOCK_SECRET": "short"}, Exit.NOT_CONFIGURED),
        ([], {"MESHWG_UNLOCK_SECRET_FILE": "/nowhere"}, Exit.NOT_CONFIGURED),
    ],
)
def test_bad_settings_are_one_sentence(
    data: Path, runs: list[Run], arguments: list[str], environment: dict[str, str], code: Exit
) -> None:
    found, output = refused(runs, data, *arguments, **environment)
    assert (found, output) == (code, output)
    assert_one_sentence(output)


def test_a_data_folder_closed_to_the_web_process_is_refused(data: Path, runs: list[Run]) -> None:
    closed = data.parent / "closed"
    closed.mkdir(mode=0o700)
    code, output = refused(runs, closed / "data")
    assert code == Exit.CANNOT_CREATE
    assert_one_sentence(output)
    assert str(closed) in output
    # Nothing is made that a later start would take for a service's.
    closed.chmod(0o755)
    run = start(runs, closed / "data")
    run.wait_until_ready()
    assert run.stop() == 0


def test_the_configured_endpoint_may_differ_from_the_hub_s_port(data: Path, runs: list[Run]) -> None:
    run = start(runs, data, "--endpoint=b\u00fccher.example:443", "--udp-port=51899")
    said = run.wait_until_ready()
    assert '"endpoint": "xn--bcher-kva.example:443", "port": 51899' in said
    assert "only nearby machines can reach the endpoint" not in said
    _, token = sign_up("acme")
    status, made = call("POST", "/api/v1/machines", {"name": "one"}, token)
    assert status == 201
    assert "\nEndpoint            = xn--bcher-kva.example:443\n" in made["config"]
    assert call("GET", "/api/v1/organization", token=token)[1]["endpoint"] == "xn--bcher-kva.example:443"
    assert answer(data, "status", f"--listen=127.0.0.1:{PORT}")["front_door"]["port"] == 51899
    assert run.stop() == 0
    # Without the port it is the hub's own, and a host that is near is told of.
    run = start(runs, data, "--endpoint=[fd00::1]", MESHWG_UNLOCK_SECRET_FILE=str(data.with_name("data.unlock-secret")))
    said = run.wait_until_ready()
    assert "Configurations name fd00::1, a private or reserved address: machines elsewhere can't reach it." in said
    assert call("GET", "/api/v1/organization", token=token)[1]["endpoint"] == "[fd00::1]:51899"
    assert run.stop() == 0


def test_killed_children_are_started_again(data: Path, runs: list[Run]) -> None:
    run = start(runs, data)
    run.wait_until_ready()
    before = children(run.process.pid)
    assert set(before) == {"hub", "web"}
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: were_replaced(run.process.pid, before))
    wait_for_health()
    assert run.stop() == 0


def test_the_web_process_loads_while_the_hub_starts(data: Path, runs: list[Run]) -> None:
    run = start_program(runs, data)
    run.wait_until_ready()
    begun = {name: _begun(pid) for name, pid in children(run.process.pid).items()}
    assert begun["web"] <= begun["hub"]
    assert run.stop() == 0


def _begun(pid: int) -> int:
    """Returns the time at which a process began, in the kernel's ticks."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


@pytest.mark.parametrize("is_dead", [False, True])
def test_a_stop_while_the_hub_restarts_leaves_nothing(data: Path, runs: list[Run], is_dead: bool) -> None:
    """The hub loads its code, or died so soon that its next start has to wait."""
    namespaces = Path("/run/netns")
    found = set(namespaces.iterdir())
    run = start(runs, data)
    run.wait_until_ready()
    sign_up("acme")
    assert set(namespaces.iterdir()) > found
    before = children(run.process.pid)
    os.kill(before["hub"], signal.SIGKILL)
    wait_until(lambda: children(run.process.pid).get("hub", before["hub"]) != before["hub"])
    if is_dead:
        os.kill(children(run.process.pid)["hub"], signal.SIGKILL)
    assert run.stop() == 0
    assert set(namespaces.iterdir()) == found


def test_the_threads_of_each_process_share_a_heap(data: Path, runs: list[Run]) -> None:
    run = start_program(runs, data)
    run.wait_until_ready()
    for number in range(3):
        sign_up(f"organization-{number}")
    assert {name: _heaps_of_threads(pid) for name, pid in children(run.process.pid).items()} == {"hub": 0, "web": 0}


def _heaps_of_threads(pid: int) -> int:
    """Counts the heaps of single threads: each begins and ends at a multiple of 64 MiB (HEAP_MAX_SIZE in glibc)."""
    found = re.findall(r"^(\w+)-(\w+) (\S+)", Path(f"/proc/{pid}/maps").read_text(), re.MULTILINE)
    return sum(
        int(first[0], 16) % 2**26 == int(second[1], 16) % 2**26 == 0 and (first[2], second[2]) == ("rw-p", "---p")
        for first, second in pairwise(found)
    )


def test_the_hub_has_only_the_privileges_that_it_needs(data: Path, runs: list[Run]) -> None:
    run = start_program(runs, data)
    run.wait_until_ready()
    sign_up("acme")
    hub = children(run.process.pid)["hub"]
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{hub}/status").read_text().splitlines())
    needed = sum(1 << capability for capability in NEEDED_CAPABILITIES)
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == int(status["CapBnd"], 16) == needed
    assert status["NoNewPrivs"] == "1"
    assert leaves_no_core(hub)
    assert run.stop() == 0


def leaves_no_core(pid: int) -> bool:
    """Tells if the process can't leave a core dump; its files in /proc are root's then."""
    limits = Path(f"/proc/{pid}/limits").read_text()
    is_private = Path(f"/proc/{pid}/environ").stat().st_uid == 0
    return is_private and re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE) is not None


def test_sighup_restarts_both_processes_and_keeps_tunnels(data: Path, runs: list[Run]) -> None:
    run = start_program(runs, data)
    run.wait_until_ready()
    sign_up("acme")
    before, (tunnel,) = children(run.process.pid), answer(data, "census")["organizations"]
    run.process.send_signal(signal.SIGHUP)
    wait_until(lambda: were_replaced(run.process.pid, before))
    wait_for_health("/readyz")
    (after,) = answer(data, "census")["organizations"]
    assert after == tunnel
    assert run.stop() == 0


def test_the_web_process_has_no_privilege_and_no_secret(data: Path, runs: list[Run]) -> None:
    secret = "a secret that nobody guesses"
    run = start_program(runs, data, MESHWG_UNLOCK_SECRET=secret)
    run.wait_until_ready()
    web, hub = (children(run.process.pid)[name] for name in ("web", "hub"))
    assert secret.encode() not in Path(f"/proc/{hub}/environ").read_bytes()
    assert leaves_no_core(run.process.pid)
    for pid in (web, *(int(each) for each in Path(f"/proc/{web}/task/{web}/children").read_text().split())):
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        assert "0" not in status["Uid"].split()
        assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == int(status["CapBnd"], 16) == 0
        assert status["NoNewPrivs"] == "1"
        assert leaves_no_core(pid)
        assert secret.encode() not in Path(f"/proc/{pid}/environ").read_bytes()
    assert run.stop() == 0
