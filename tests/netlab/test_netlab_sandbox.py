"""Sandboxes that run within the tests' own sandbox."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from netlab import sandbox
from tests.waiting import DEADLINE, wait_until

BUSY = """
from netlab import Lab, genkey, pubkey, wg_quick
lab = Lab()
internet = lab.switch("internet")
for number in (1, 2):
    host = lab.host(f"host-{number}")
    lab.connect(host, internet, f"192.0.2.{number}/24")
    host.run("ip", "netns", "add", "inner")
    host.start("sh", "-c", "trap '' TERM INT HUP; while :; do sleep 1; done")
    key = genkey()
    wg_quick(host, f"[Interface]\\nPrivateKey = {key}\\nAddress = 10.0.0.{number}/24\\n", "wg0.conf")
print("ready", flush=True)
input()
"""


def namespaces_in_use() -> set[str]:
    """Lists every namespace that any process of the tests' sandbox is in, or holds open."""
    found = set()
    for link in [*Path("/proc").glob("[0-9]*/ns/*"), *Path("/proc").glob("[0-9]*/fd/*")]:
        try:
            target = str(link.readlink())
        except OSError:
            continue
        if target.startswith(("net:", "mnt:", "uts:", "pid:", "user:", "ipc:")):
            found.add(target)
    return found


def processes() -> set[str]:
    return {entry.name for entry in Path("/proc").iterdir() if entry.name.isdecimal()}


def run(*argv: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        sandbox.command(argv), capture_output=True, text=True, timeout=DEADLINE, check=False, **options
    )


def test_a_sandbox_is_private() -> None:
    done = run("sh", "-c", "echo $$ $NETLAB_SANDBOX $TMPDIR; ls /run; ls /proc/sys/net/ipv4/conf; ls -A $TMPDIR")
    assert done.returncode == 0, done.stderr
    pid, mark, temporary, *rest = done.stdout.split()
    assert (pid, mark, temporary) == ("2", "1", "/run/tmp")
    assert rest == ["lock", "netns", "tmp", "wireguard", "all", "default", "lo"]


def test_a_sandbox_works_in_any_folder_and_sees_files_in_tmp(tmp_path: Path) -> None:
    # TMPDIR itself is private to each sandbox; /tmp is not.
    done = run("sh", "-c", "pwd; test -d /tmp && ip link show dev lo", cwd="/tmp", env={"PATH": os.environ["PATH"]})
    assert done.stdout.startswith("/tmp\n")
    assert "UP" in done.stdout
    assert tmp_path.is_relative_to("/run/tmp")
    assert not Path(run("sh", "-c", "echo $TMPDIR/x; touch $TMPDIR/x").stdout.strip()).exists()


@pytest.mark.parametrize(("script", "status"), [("exit 7", 7), ("kill -TERM $$", 143), ("kill -KILL $$", 137)])
def test_a_sandbox_has_its_program_s_exit_status(script: str, status: int) -> None:
    assert run("sh", "-c", script).returncode == status


CALLER = """
import os, sys, tempfile
from netlab import sandbox

def body():
    print(os.getpid(), os.environ["NETLAB_SANDBOX"], tempfile.gettempdir(), before, flush=True)
    {last}

before = tempfile.gettempdir()
sys.exit(sandbox.call(body))
"""


@pytest.mark.parametrize(
    ("last", "status"), [("return 7", 0), ("sys.exit(3)", 3), ("os.kill(os.getpid(), 9)", 137), ("raise ValueError", 1)]
)
def test_a_function_can_be_called_in_a_sandbox(last: str, status: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CALLER.format(last=last)],
        env={**os.environ, "TMPDIR": "/tmp"},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("2 1 /run/tmp /tmp\n", status)
    assert ("ValueError" in done.stderr) is (last == "raise ValueError")


def test_orphans_are_reaped() -> None:
    # Its parent is gone when its process id is told; while nobody has asked for its status it is still in /proc.
    script = "orphan=$(sh -c 'sleep 0.01 >&2 & echo $!'); while [ -e /proc/$orphan ]; do sleep 0.01; done; echo gone"
    assert run("sh", "-c", script).stdout == "gone\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_reach_the_program_once(number: signal.Signals) -> None:
    script = """
        import signal, sys, time
        heard = []
        signal.signal(int(sys.argv[1]), lambda *_: heard.append(1))
        print("ready", flush=True)
        while not heard:
            time.sleep(0.01)
        time.sleep(0.1)
        print(len(heard))
        sys.exit(9)
    """
    argv = [sys.executable, "-c", textwrap.dedent(script), str(int(number))]
    with subprocess.Popen(sandbox.command(argv), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.communicate(timeout=DEADLINE)[0] == "1\n"
        assert process.returncode == 9


def test_a_killed_sandbox_leaves_nothing() -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(sandbox.__file__).parents[1])}
    before_namespaces, before_processes = namespaces_in_use(), processes()
    before_mounts, before_files = Path("/proc/self/mountinfo").read_text(), set(Path("/run/tmp").iterdir())
    with subprocess.Popen(
        sandbox.command([sys.executable, "-c", BUSY]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert len(processes() - before_processes) >= 8
        assert len(namespaces_in_use() - before_namespaces) >= 10
        process.kill()
    wait_until(lambda: processes() <= before_processes)
    assert namespaces_in_use() <= before_namespaces
    assert Path("/proc/self/mountinfo").read_text() == before_mounts
    assert set(Path("/run/tmp").iterdir()) == before_files


def test_a_sandbox_can_end_with_its_starting_thread() -> None:
    parent = """
        import subprocess, sys
        from netlab import sandbox
        with subprocess.Popen(sandbox.command(["sleep", "100"], die_with_parent=True)) as child:
            print("started", flush=True)
    """
    environment = {**os.environ, "PYTHONPATH": str(Path(sandbox.__file__).parents[1])}
    before = processes()
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(parent)], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        wait_until(lambda: len(processes() - before) >= 4)
        process.kill()
    wait_until(lambda: processes() <= before)


def test_a_sandbox_that_cannot_start_says_why_in_one_sentence() -> None:
    done = run("no-such-program")
    assert (done.returncode, done.stderr.count("\n")) == (sandbox.EXIT_NO_SANDBOX, 1)
    assert "no-such-program" in done.stderr
    sandbox.check()
    with pytest.raises(ValueError, match="program"):
        sandbox.command([])


def test_a_sandbox_s_folders_are_open_to_its_other_users() -> None:
    script = "mkdir /run/made && stat --format=%a /run/made /run/netns"
    done = subprocess.run(
        ["sh", "-c", 'umask 077; exec "$@"', "sh", *sandbox.command(["sh", "-c", script])],
        capture_output=True,
        text=True,
        check=True,
        timeout=DEADLINE,
    )
    assert done.stdout.split() == ["755", "755"]


def test_a_sandbox_starts_with_the_standard_library_only() -> None:
    """Hides the other packages, which the launcher's user may not be able to read."""
    python, folder, *rest = sandbox.command(["echo", "started"])
    done = subprocess.run(
        [python, "-I", "-S", folder, *rest], capture_output=True, text=True, check=False, timeout=DEADLINE
    )
    assert (done.stdout, done.returncode) == ("started\n", 0), done.stderr
