"""Behaviour that all kinds of hosts share."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator, Mapping

import pytest
from scapy.layers.inet import IP, UDP

from netlab import Capture, CommandFailed, CommandTimedOut, Host, LabHost, NetlabError, NothingArrived, OutOfReach
from netlab.examples import plainhub
from tests.netlab.backends import HUB, MUMBAI, NAMES, PUNE, backend
from tests.waiting import DEADLINE

# Not the redirects of a router whose way back is the way there.
ECHOES = "icmp[icmptype] == icmp-echo or icmp[icmptype] == icmp-echoreply"


@pytest.fixture(scope="module", params=NAMES)
def hosts(request: pytest.FixtureRequest) -> Iterator[Mapping[str, Host]]:
    with backend(request.param) as made:
        yield made


@pytest.fixture
def mumbai(hosts: Mapping[str, Host]) -> Host:
    return hosts["mumbai"]


def test_two_machines_meet_through_a_hub(hosts: Mapping[str, Host]) -> None:
    hub, mumbai, pune = hosts["hub"], hosts["mumbai"], hosts["pune"]
    made = plainhub.connect(hub, HUB, [mumbai, pune])
    with Capture(pune, "plain", ECHOES) as inner, Capture(hub, "eth0", f"udp and host {PUNE}") as outer:
        assert mumbai.ping(made.addresses[1], count=3, interval=0.01, timeout=DEADLINE).received == 3
        echoes = [(packet[IP].src, packet[IP].dst) for packet in inner.packets()]
        assert echoes == [made.addresses, made.addresses[::-1]] * 3
        assert len([packet for packet in outer.packets() if len(packet[UDP].payload) > 100]) >= 6
    assert inner.dropped == 0
    made.tunnels[1].down()
    assert "plain" not in pune.run("ip", "link").stdout
    assert not mumbai.ping(made.addresses[1], timeout=0.2)


def test_ping_reports_answers_and_errors(mumbai: Host) -> None:
    began = time.monotonic()
    there = mumbai.ping(PUNE, count=2, interval=0.01, timeout=DEADLINE)
    took = time.monotonic() - began
    assert (there.sent, there.received, there.errors) == (2, 2, ())
    assert all(0 < seconds < took for seconds in there.round_trips)
    nowhere = mumbai.ping("198.51.100.1", timeout=0.1)
    assert (nowhere.sent, nowhere.received, len(nowhere.errors)) == (0, 0, 1)


def test_a_program_has_input_variables_and_a_status(mumbai: Host) -> None:
    script = 'cat; echo "$WORD" >&2; exit 3'
    done = mumbai.run("sh", "-c", script, input="in ü", env={"WORD": "out $HOME '\""}, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "in ü", "out $HOME '\"\n")
    assert mumbai.run("printf", "%s|", "a b", "", "'").stdout == "a b||'|"
    assert mumbai.run("sh", "-c", "kill -KILL $$", check=False).returncode == -signal.SIGKILL
    big = "x" * 500_000
    assert mumbai.run("cat", input=big).stdout == big
    # One that does not read its input.
    assert mumbai.run("true", input=big).returncode == 0
    with pytest.raises(CommandFailed) as raised:
        mumbai.run("sh", "-c", "echo no >&2; exit 3")
    assert (raised.value.host, raised.value.argv[0], raised.value.returncode) == ("mumbai", "sh", 3)
    with pytest.raises(CommandFailed, match="no-such-program") as raised:
        mumbai.run("no-such-program")
    assert raised.value.returncode is None


def test_a_program_is_killed_at_its_deadline_with_its_children(mumbai: Host) -> None:
    with pytest.raises(CommandTimedOut) as raised:
        mumbai.run("sh", "-c", "echo begun; sleep 54321 & sleep 54321", timeout=0.3)
    assert raised.value.stdout == "begun\n"
    assert mumbai.run("sh", "-c", "grep -l '[5]4321' /proc/[0-9]*/cmdline", check=False).stdout == ""


def test_a_started_program_is_logged_signalled_and_stopped(mumbai: Host) -> None:
    script = "trap 'echo bye; exit 5' TERM; trap 'echo hello' USR1; echo up; while :; do sleep 0.01; done"
    process = mumbai.start("sh", "-c", script)
    process.wait_for_log("up", DEADLINE)
    assert process.poll() is None
    process.signal(signal.SIGUSR1)
    process.wait_for_log("hello", DEADLINE)
    with pytest.raises(NothingArrived):
        process.wait(0.05)
    assert process.stop() == 5
    assert process.stop() == 5
    # Between them, the shell may say that the signal ended the program that it was waiting for.
    said = [line for line in process.log_text().splitlines() if line in ("up", "hello", "bye")]
    assert said == ["up", "hello", "bye"]


def test_exit_status_and_signal_are_reported(mumbai: Host) -> None:
    assert mumbai.start("false").wait(5.0) == 1
    slow = mumbai.start("sleep", "100")
    slow.signal(signal.SIGTERM)
    assert slow.wait(5.0) == -signal.SIGTERM
    slow = mumbai.start("sleep", "100")
    slow.signal(signal.SIGKILL)
    assert slow.wait(5.0) == -signal.SIGKILL
    with pytest.raises(NothingArrived):
        mumbai.start("true", log="quiet").wait_for_log("never", DEADLINE)
    with pytest.raises(CommandFailed, match="no-such-program"):
        mumbai.start("no-such-program")


def test_a_log_can_be_continued(mumbai: Host) -> None:
    for word in ("one", "two"):
        mumbai.start("echo", word, log="both").wait(5.0)
    assert mumbai.read(mumbai.folder / "both.log") == b"one\ntwo\n"


def test_files_are_written_and_read(mumbai: Host) -> None:
    path = mumbai.folder / "a name with 'quotes"
    for data in (b"\0\xff and text\n", b"less"):
        mumbai.write(path, data, 0o600)
        assert mumbai.read(path) == data
    assert mumbai.run("stat", "--format=%a", path).stdout == "600\n"
    with pytest.raises((CommandFailed, OSError)):
        mumbai.read(mumbai.folder / "none")


def test_a_host_lists_its_programs_addresses_and_routes(mumbai: Host) -> None:
    assert mumbai.addresses("eth0") == [f"{MUMBAI}/24"]
    found = mumbai.which("ip")
    assert found is not None
    assert found.endswith("/ip")
    for name in ("no-such-program", "trap", "/etc/none"):
        assert mumbai.which(name) is None
    mumbai.route("203.0.113.0/24", via=HUB)
    mumbai.route("2001:db8:1::/48", interface="eth0")
    assert f"203.0.113.0/24 via {HUB} dev eth0" in mumbai.run("ip", "route").stdout
    assert "2001:db8:1::/48 dev eth0" in mumbai.run("ip", "-6", "route").stdout


def test_a_capture_that_cannot_start_says_why(mumbai: Host) -> None:
    with pytest.raises(NetlabError, match="nosuch0"):
        Capture(mumbai, "nosuch0")
    with pytest.raises(NetlabError, match="syntax error"):
        Capture(mumbai, "eth0", "not a filter (")


def test_a_socket_is_in_the_hosts_network_or_refused(hosts: Mapping[str, Host]) -> None:
    """Opens a socket on each kind of host, which must never be one of the caller's own network."""
    if isinstance(hosts["mumbai"], LabHost):
        with hosts["mumbai"].socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((MUMBAI, 0))
    else:
        with pytest.raises(OutOfReach, match="mumbai is on another machine"):
            hosts["mumbai"].socket(socket.AF_INET, socket.SOCK_DGRAM)
