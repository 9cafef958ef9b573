"""``./meshwg`` on hosts of all kinds: its installations, starts without one, and refusals."""

from __future__ import annotations

import json
import os
import select
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import Signals as Signal

import pytest

from appliance import release
from harness.paths import ROOT
from tests.launcher.host import Call, Host

BAD_USAGE, UNAVAILABLE, NOT_WRITABLE, NO_RIGHT, NOT_CONFIGURED = 64, 69, 73, 77, 78
RUN_PACKAGES = {
    *("ca-certificates", "iproute2", "kmod", "libnftables1", "nftables", "python3", "python3-venv"),
    *("wireguard-go", "wireguard-tools"),
}
TEST_PACKAGES = {
    "chromium-headless-shell",
    "curl",
    "dropbear-bin",
    "fonts-lohit-deva",
    "git",
    "iperf3",
    "iputils-ping",
    "libatomic1",
    "postgresql",
    "procps",
    "python3-zbar",
    "tcpdump",
}
SHELLS = [
    (found, *options)
    for name, *options in (["sh"], ["dash"], ["bash", "--posix"], ["busybox", "sh"])
    if (found := shutil.which(name)) is not None
]
all_shells = pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: Path(shell[0]).name)


@all_shells
def test_the_launcher_s_syntax_is_accepted_by_every_shell(shell: tuple[str, ...], tmp_path: Path) -> None:
    done = Host.make(tmp_path / "host", (*shell, "-n")).run("setup")
    assert (done.code, done.said, done.calls, done.asked) == (0, [], [], [])


@all_shells
def test_only_the_first_run_installs_missing_packages(shell: tuple[str, ...], tmp_path: Path) -> None:
    host = Host.make(tmp_path / "host", shell)
    host.has_packages("git", "kmod", "iproute2")
    first = host.run("setup")
    assert first.code == 0
    missing = (RUN_PACKAGES | TEST_PACKAGES) - {"git", "kmod", "iproute2"}
    finish, update, install, venv, requirements, editable = first.calls
    assert finish == Call("dpkg", ("--configure", "-a"))
    assert update == Call("apt-get", ("-qq", "update"))
    assert install.program == "apt-get"
    assert {"install", "--yes", "--no-install-recommends"} <= set(install.arguments)
    assert install.packages == missing
    assert venv == Call("python3", ("-m", "venv", str(host.venv)))
    assert requirements.what == editable.what == "pip"
    lock = str(host.checkout / "requirements-test.lock")
    assert requirements.arguments[-3:] == ("--require-hashes", "--requirement", lock)
    assert editable.arguments[-5:-2] == ("--no-index", "--no-deps", "--no-build-isolation")
    assert editable.arguments[-2:] == ("--editable", str(host.checkout))
    packages, environment, locked, done, nothing = first.said
    assert packages.startswith("setup: installing Debian packages: ")
    assert set(packages.partition(": ")[2].partition(": ")[2].split()) == missing
    assert environment == "setup: making .venv with Python 3.13.1"
    assert locked == "setup: installing Python packages from requirements-test.lock"
    assert done.startswith("setup: done in ")
    assert nothing == "setup: nothing is missing"
    assert first.output == ""

    second = host.run("setup")
    assert (second.code, second.said) == (0, ["setup: nothing is missing"])
    # Not even dpkg or Python are asked anything.
    assert (second.calls, second.asked) == ([], [])
    assert list(host.temporary.iterdir()) == []


def test_a_command_is_passed_on_unchanged(host: Host, tmp_path: Path) -> None:
    host.run("setup")
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    done = host.run("up", "--data", "a b", "", "*", "$HOME", "--", cwd=elsewhere, APPLIANCE_CODE="42")
    assert (done.code, done.said) == (42, [])
    arguments = ("up", "--data", "a b", "", "*", "$HOME", "--")
    assert done.calls == [Call("meshwg", arguments)]
    assert done.output.splitlines() == [str(elsewhere), f"{host.venv}/browsers", ""]
    own = host.run("up", PLAYWRIGHT_BROWSERS_PATH="/opt/browsers", PYTHONDONTWRITEBYTECODE="1")
    assert own.output.splitlines()[1:] == ["/opt/browsers", ""]


def test_an_empty_command_is_passed_on_too(host: Host) -> None:
    host.run("setup")
    assert host.run().calls == [Call("meshwg", ())]
    assert host.run("--help").calls == [Call("meshwg", ("--help",))]


@pytest.mark.parametrize(
    "words", [["--help"], ["-h"], ["up", "--help"], ["gate", "--seed", "1", "-h"], ["doctor", "-h"]]
)
def test_help_before_the_set_up_says_what_it_installs(host: Host, words: list[str]) -> None:
    host.has_packages(*RUN_PACKAGES - {"nftables", "wireguard-go"})
    done = host.run(*words)
    assert (done.code, done.said, done.calls) == (0, [], [])
    (sentence,) = (line for line in done.output.splitlines() if "installs" in line and "requirements.lock" in line)
    assert "the Debian packages nftables wireguard-go, and the Python packages" in sentence
    assert not host.venv.exists()
    host.read_only = True
    assert host.run(*words).code == 0


def test_no_command_before_the_set_up_is_bad_usage(host: Host) -> None:
    done = host.run()
    assert (done.code, done.calls, done.output) == (BAD_USAGE, [], "")
    assert done.said == host.run("--help").output.splitlines()


def test_the_version_is_told_before_the_set_up(host: Host) -> None:
    done = host.run("--version")
    assert (done.code, done.calls, done.said, done.output) == (0, [], [], f"meshwg {release.version()}\n")


def test_a_word_after_two_hyphens_asks_for_no_help(host: Host) -> None:
    assert host.run("up", "--", "--help").calls[-1] == Call("meshwg", ("up", "--", "--help"))


@pytest.mark.parametrize("uid", ["0", "1000"])
def test_a_diagnosis_needs_no_set_up(host: Host, uid: str) -> None:
    host.remove("sudo")
    host.read_only = True
    done = host.run("doctor", "--json", FAKE_UID=uid, DIAGNOSIS_CODE="69")
    (call,) = done.calls
    assert call.diagnoses
    assert call.arguments[-2:] == (str(host.checkout), "--json")
    assert done.code == 69
    assert "./meshwg setup run installs the Debian packages" in done.complaint
    assert all(package in done.complaint for package in RUN_PACKAGES)


def test_a_diagnosis_after_the_set_up_is_the_service_s(host: Host) -> None:
    host.run("setup", "run")
    done = host.run("doctor", "--json")
    assert (done.said, done.calls) == ([], [Call("meshwg", ("doctor", "--json"))])


def test_a_diagnosis_without_python_says_so(host: Host) -> None:
    done = host.run("doctor", PYTHON_IS_TOO_OLD="1")
    assert (done.code, done.calls) == (UNAVAILABLE, [])
    assert done.complaint == "meshwg: The diagnosis takes Python 3.10 or newer, and none was found."


def test_the_diagnosis_runs_on_python_alone(host: Host) -> None:
    """Runs the real one with the system's Python, which has no package of the service."""
    shutil.copytree(ROOT / "appliance", host.checkout / "appliance")
    before = sorted(host.checkout.rglob("*"))
    # A copy, because what is mounted over /usr/bin/python3 is mounted over the file that it leads to.
    python = shutil.copy(Path(sys.executable).resolve(), host.root / "interpreter")
    host.install("python3", f'#!/bin/sh\nexec "{python}" "$@"\n')
    (host.root / "json.py").write_text("raise SystemExit('a module of the folder that root is in')")
    done = host.run("doctor", "--json")
    document = json.loads(done.output)
    assert done.code == UNAVAILABLE
    (found,) = (each for each in document["findings"] if each["id"] == "python-packages")
    assert (found["state"], found["advice"]) == ("missing", "./meshwg setup run")
    words = host.run("doctor")
    assert (words.code, "missing   python-packages" in words.output) == (UNAVAILABLE, True)
    assert host.run("doctor", "--frobnicate").code == BAD_USAGE
    assert sorted(host.checkout.rglob("*")) == before


@pytest.mark.parametrize("command", ["up", "status", "census", "backup", "frobnicate"])
def test_commands_of_the_service_install_the_first_level_only(host: Host, command: str) -> None:
    done = host.run(command)
    assert done.code == 0
    assert done.packages == RUN_PACKAGES
    assert done.locks == ["requirements.lock"]
    assert done.made("meshwg")


@pytest.mark.parametrize("command", ["test", "gate", "bench", "lab", "transcript"])
def test_commands_of_tests_install_both_levels(host: Host, command: str) -> None:
    host.run("setup", "run")
    done = host.run(command)
    assert done.code == 0
    assert done.packages == TEST_PACKAGES
    assert done.locks == ["requirements-test.lock"]
    # The environment that is there is kept.
    assert not done.made("venv")
    assert done.made("meshwg")


def test_the_second_level_includes_the_first(host: Host) -> None:
    host.run("setup", "test")
    assert host.run("up").calls == [Call("meshwg", ("up",))]
    assert host.run("setup", "run").calls == []
    assert host.run("setup", "all").calls == []


@pytest.mark.parametrize("file", ["requirements-test.lock", "pyproject.toml", "meshwg"])
def test_a_changed_input_file_causes_another_installation(host: Host, file: str) -> None:
    host.run("setup")
    host.change(file)
    again = host.run("setup")
    assert again.code == 0
    assert [call.what for call in again.calls] == ["pip", "pip"]
    assert again.locks == ["requirements-test.lock"]
    assert host.run("setup").calls == []


def test_a_changed_lock_file_of_tests_leaves_the_service_alone(host: Host) -> None:
    host.run("setup")
    host.change("requirements-test.lock")
    assert host.run("up").made("pip") == []
    host.change("requirements.lock")
    assert host.run("up").locks == ["requirements.lock"]


def test_a_missing_or_broken_environment_is_made_again(host: Host) -> None:
    host.run("setup")
    (host.venv / "bin" / "python").unlink()
    again = host.run("setup")
    assert again.code == 0
    assert len(again.made("venv")) == 1
    shutil.rmtree(host.venv)
    assert len(host.run("setup").made("venv")) == 1
    # As after an upgrade of the distribution, with which the environment's packages go.
    host.change("requirements-test.lock")
    assert len(host.run("setup", PIP_IS_GONE="1").made("venv")) == 1


@pytest.mark.parametrize("copied", [False, True], ids=["moved", "copied"])
def test_a_moved_checkout_gets_a_new_environment(host: Host, copied: bool) -> None:
    host.run("setup")
    (host.venv / "stale").touch()
    old, host.checkout = host.checkout, host.root / "new home"
    if copied:
        shutil.copytree(old, host.checkout, symlinks=True)
    else:
        old.rename(host.checkout)
    done = host.run("setup")
    assert done.code == 0
    assert done.calls[0] == Call("python3", ("-m", "venv", str(host.checkout / ".venv")))
    assert done.calls[-1].arguments[-2:] == ("--editable", str(host.checkout))
    assert not (host.venv / "stale").exists()
    assert host.run("setup").calls == []


@pytest.mark.parametrize("name", ["two words", "it's [here] $HOME & *", "-n", "मुंबई"])
def test_a_checkout_s_folder_may_have_any_name(tmp_path: Path, shell: tuple[str, ...], name: str) -> None:
    host = Host.make(tmp_path / "host", shell, name=name)
    done = host.run("setup")
    assert done.code == 0
    assert done.calls[-1].arguments[-2:] == ("--editable", str(host.checkout))
    assert host.run("up").calls == [Call("meshwg", ("up",))]


def test_a_symbolic_link_to_the_launcher_works_from_anywhere(host: Host, tmp_path: Path) -> None:
    link = tmp_path / "elsewhere" / "mesh"
    link.parent.mkdir()
    link.symlink_to(host.checkout / "meshwg")
    assert host.run("setup", launcher=link).code == 0
    assert (host.venv / "bin" / "python").exists()
    assert host.run("up", launcher=link).calls == [Call("meshwg", ("up",))]


def test_setup_of_an_unknown_level_is_bad_usage(host: Host) -> None:
    done = host.run("setup", "bogus")
    assert (done.code, done.calls, done.asked) == (BAD_USAGE, [], [])
    assert done.said == ["meshwg: setup takes run or nothing."]
    assert not host.venv.exists()


def test_a_read_only_checkout_is_reported(host: Host) -> None:
    host.read_only = True
    for command in ("setup", "up"):
        done = host.run(command)
        assert (done.code, done.calls, done.asked) == (NOT_WRITABLE, [], [])
        assert done.said == [f"meshwg: The folder {host.checkout} can't be written, and .venv has to be made there."]
    host.read_only = False
    host.run("setup")
    host.read_only = True
    assert host.run("setup").code == 0
    assert host.run("up").made("meshwg")


@pytest.mark.parametrize("which", ["APT_SAYS", "APT_UPDATE_SAYS"])
def test_a_failure_of_apt_is_quoted(host: Host, which: str) -> None:
    words = "\n".join(f"E: line {number}" for number in range(8))
    host.variables[which] = words
    done = host.run("setup")
    assert done.code == UNAVAILABLE
    assert done.said[-6:-1] == [f"E: line {number}" for number in range(3, 8)]
    assert done.complaint.startswith("meshwg: apt could not install: ")
    assert "nftables" in done.complaint
    assert {call.program for call in (*done.calls, *done.asked)} == {"apt-get", "dpkg", "dpkg-query"}
    assert list(host.temporary.iterdir()) == []
    # It is tried again, and then goes on to the end.
    host.variables.clear()
    assert host.run("setup").code == 0


def test_a_host_without_apt_is_told_the_missing_packages(host: Host) -> None:
    host.remove("apt-get")
    done = host.run("setup")
    assert (done.code, done.calls) == (NOT_CONFIGURED, [])
    assert all(package in done.complaint for package in RUN_PACKAGES | TEST_PACKAGES)
    done = host.run("up")
    assert (done.code, done.calls) == (NOT_CONFIGURED, [])
    assert not any(package in done.complaint.split() for package in TEST_PACKAGES)


def test_without_root_or_sudo_missing_packages_are_named(host: Host) -> None:
    host.remove("sudo")
    host.has_packages(*(RUN_PACKAGES | TEST_PACKAGES) - {"nftables", "tcpdump"})
    done = host.run("setup", FAKE_UID="1000")
    assert (done.code, done.calls) == (NO_RIGHT, [])
    assert done.complaint.rpartition(": ")[2].split() == ["nftables", "tcpdump"]
    # Where nothing is missing no right is needed.
    host.has_packages("nftables", "tcpdump")
    assert host.run("setup", FAKE_UID="1000").code == 0


def test_an_ordinary_user_installs_through_sudo(host: Host) -> None:
    done = host.run("setup", FAKE_UID="1000")
    assert done.code == 0
    # Only apt runs as root.
    (sudo,) = done.made("sudo")
    assert sudo.arguments[:4] == ("env", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive", "sh")
    assert done.packages == RUN_PACKAGES | TEST_PACKAGES
    host.change("requirements-test.lock")
    assert [call.what for call in host.run("setup", FAKE_UID="1000").calls] == ["pip", "pip"]


def test_root_needs_no_sudo(host: Host) -> None:
    host.remove("sudo")
    assert host.run("setup").code == 0


def test_a_removed_package_is_missing(host: Host) -> None:
    host.has_packages(*RUN_PACKAGES)
    host.has_packages("nftables", status="config-files")
    assert host.run("setup", "run").packages == {"nftables"}


def test_apt_is_not_called_if_every_package_is_installed(host: Host) -> None:
    host.has_packages(*RUN_PACKAGES, *TEST_PACKAGES)
    done = host.run("setup")
    assert done.code == 0
    assert not done.made("apt-get")


@pytest.mark.parametrize("step", ["--require-hashes", "--editable"])
def test_a_failure_of_pip_is_quoted_and_retried(host: Host, step: str) -> None:
    done = host.run("setup", PIP_FAILS_AT=step, PIP_SAYS="ERROR: THESE PACKAGES DO NOT MATCH THE HASHES")
    assert done.code == UNAVAILABLE
    assert done.said[-2:] == [
        "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES",
        "meshwg: pip could not install the Python packages.",
    ]
    assert list(host.temporary.iterdir()) == []
    # A half-made environment runs nothing.
    assert not host.run("up", PIP_FAILS_AT=step).made("meshwg")
    again = host.run("up")
    assert again.code == 0
    assert again.made("meshwg")


def test_a_failed_environment_is_made_again_by_the_next_run(host: Host) -> None:
    done = host.run("setup", VENV_SAYS="ensurepip is not available")
    assert done.code == UNAVAILABLE
    assert done.said[-2:] == ["ensurepip is not available", "meshwg: A virtual environment could not be made."]
    assert host.run("setup").code == 0


def test_a_host_without_a_suitable_python_is_refused(host: Host) -> None:
    done = host.run("setup", PYTHON_IS_TOO_OLD="1")
    assert done.code == NOT_CONFIGURED
    assert done.complaint == "meshwg: No Python of version 3.10 or newer with venv was found."
    assert not host.venv.exists()


def test_a_python_that_is_too_old_is_passed_over(host: Host) -> None:
    new = (host.bin / "python3").read_text()
    host.install("python3.12", new.replace("${PYTHON_IS_TOO_OLD:-0}", "0").replace("3.13.1", "3.12.7"))
    done = host.run("setup", PYTHON_IS_TOO_OLD="1")
    assert done.code == 0
    assert "setup: making .venv with Python 3.12.7" in done.said
    assert done.made("venv") == [Call("python3.12", ("-m", "venv", str(host.venv)))]


def test_playwright_installs_the_browser_on_ubuntu(tmp_path: Path, shell: tuple[str, ...]) -> None:
    host = Host.make(tmp_path / "host", shell, distribution="ubuntu")
    host.run("setup", "run")
    done = host.run("setup")
    assert done.code == 0
    assert done.packages == TEST_PACKAGES - {"chromium-headless-shell"}
    assert done.calls[-1] == Call("python", ("-m", "playwright", "install", "--with-deps", "chromium"))
    assert host.run("setup").calls == []
    host.change("pyproject.toml")
    assert not host.run("setup", MESHWG_CHROMIUM="/opt/chrome").made("playwright")
    host.change("pyproject.toml")
    failed = host.run("setup", PLAYWRIGHT_CODE="1")
    assert (failed.code, failed.complaint) == (UNAVAILABLE, "meshwg: playwright could not install its browser.")


def test_apt_installs_the_browser_on_debian(host: Host) -> None:
    assert not host.run("setup").made("playwright")


@contextmanager
def signal(folder: Path, name: str) -> Iterator[tuple[str, int]]:
    """Makes a FIFO, and opens this end of it."""
    fifo = folder / name
    os.mkfifo(fifo)
    opened = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    try:
        yield str(fifo), opened
    finally:
        os.close(opened)


def wait_for(opened: int) -> None:
    """Waits until something was written to this FIFO."""
    assert select.select([opened], [], [], 60)[0], "it never came that far"


def test_only_one_of_two_simultaneous_runs_installs(host: Host) -> None:
    host.has_packages(*RUN_PACKAGES, *TEST_PACKAGES)
    with (
        signal(host.root, "at-pip") as (at_pip, first_installs),
        signal(host.root, "go-on") as (go_on, release),
        signal(host.root, "at-flock") as (at_flock, second_waits),
    ):
        first = host.start("setup", AT_PIP=at_pip, PIP_WAITS_FOR=go_on)
        try:
            wait_for(first_installs)
            second = host.start("up", AT_FLOCK=at_flock)
            try:
                wait_for(second_waits)
                # Once for each call of pip that the first makes.
                os.write(release, b"go\ngo\n")
                done = first.finish()
                other = second.finish()
            finally:
                second.process.kill()
        finally:
            first.process.kill()
    assert (done.code, other.code) == (0, 0)
    assert [call.what for call in done.calls] == ["venv", "pip", "pip"]
    assert [call.what for call in other.calls] == ["meshwg"]
    assert [line for line in other.said if "installing" in line] == []


@pytest.mark.parametrize("ends", ["well", "badly"])
def test_an_overwritten_version_is_installed_again(host: Host, ends: str) -> None:
    kept = {file: (host.checkout / file).read_bytes() for file in ("requirements.lock", "pyproject.toml")}
    host.run("setup")
    # Another branch is checked out and started, and then this one again.
    for file in kept:
        host.change(file)
    host.run("up", PIP_FAILS_AT="nowhere" if ends == "well" else "--editable")
    for file, content in kept.items():
        (host.checkout / file).write_bytes(content)
    assert host.run("gate").locks == ["requirements-test.lock"]


def test_installed_files_are_readable_by_all_users(host: Host) -> None:
    host.umask = 0o077
    assert host.run("setup").code == 0
    assert (host.root / "calls-1.umask").read_text().strip() in ("0022", "022")


def test_the_launcher_waits_for_apt_s_lock(host: Host, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.touch()
    done = host.run("setup", APT_LISTS_TAKEN=str(taken))
    assert done.code == 0
    assert [call.arguments[1] for call in done.made("apt-get")] == ["update", "update", "install"]


def test_apt_s_lock_held_for_too_long_is_quoted(host: Host) -> None:
    words = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7 (apt-get)"
    done = host.run("setup", APT_UPDATE_SAYS=words)
    assert (done.code, done.said[-2]) == (UNAVAILABLE, words)
    assert len(done.made("apt-get")) == 60


@pytest.mark.parametrize("number", [Signal.SIGKILL, Signal.SIGINT, Signal.SIGTERM])
def test_an_interrupted_environment_is_made_again(host: Host, number: Signal) -> None:
    host.has_packages(*RUN_PACKAGES, *TEST_PACKAGES)
    with signal(host.root, "at-pip") as (at_pip, installs), signal(host.root, "never") as (never, _):
        running = host.start("setup", AT_PIP=at_pip, PIP_WAITS_FOR=never)
        try:
            wait_for(installs)
            # As a terminal's Ctrl-C, to all that runs.
            os.killpg(running.process.pid, number)
            assert running.finish().code != 0
        finally:
            running.process.kill()
    (host.venv / "half").touch()
    done = host.run("setup")
    assert (done.code, [call.what for call in done.calls]) == (0, ["venv", "pip", "pip"])
    assert not (host.venv / "half").exists()
    assert host.run("setup").calls == []
    if number != Signal.SIGKILL:
        assert list(host.temporary.iterdir()) == []


def test_the_caller_s_own_python_and_pip_settings_are_ignored(host: Host) -> None:
    host.variables |= {"PIP_USER": "1", "PIP_TARGET": "/opt/x", "PYTHONPATH": "/opt/y", "PYTHONHOME": "/opt/z"}
    assert host.run("setup").code == 0
    assert (host.root / "calls-1.pip").read_text() == "0 unset unset\n"


def test_another_python_of_the_system_makes_another_environment(host: Host) -> None:
    """Replaces Python by another version, as an upgrade of the distribution does."""
    host.run("setup")
    new = host.root / "python3.14"
    (host.venv / "bin" / "python").rename(new)
    (host.venv / "bin" / "python").symlink_to(new)
    assert [call.what for call in host.run("setup", PIP_IS_GONE="1").calls] == ["venv", "pip", "pip"]


def test_a_missing_folder_for_temporary_files_is_reported(host: Host) -> None:
    done = host.run("setup", TMPDIR=str(host.root / "nowhere"))
    assert (done.code, done.calls) == (NOT_WRITABLE, [])
    assert done.complaint == f"meshwg: No temporary file can be made in {host.root / 'nowhere'}."
