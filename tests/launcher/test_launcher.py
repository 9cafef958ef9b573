"""``./meshwg`` on hosts of all kinds: what it installs, when it does nothing, and how it refuses."""

from __future__ import annotations

import os
import select
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import Signals as Signal

import pytest

from tests.launcher.host import Call, Host

BAD_USAGE, UNAVAILABLE, NOT_WRITABLE, NO_RIGHT, NOT_CONFIGURED = 64, 69, 73, 77, 78
RUN_PACKAGES = {
    *("ca-certificates", "iproute2", "kmod", "libnftables1", "nftables", "python3", "python3-venv"),
    *("wireguard-go", "wireguard-tools"),
}
TEST_PACKAGES = {
    "chromium",
    "curl",
    "dropbear-bin",
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
def test_its_syntax_is_every_shells(shell: tuple[str, ...], tmp_path: Path) -> None:
    done = Host.make(tmp_path / "host", (*shell, "-n")).run("setup")
    assert (done.code, done.said, done.calls, done.asked) == (0, [], [], [])


@all_shells
def test_the_first_run_installs_what_is_missing_and_the_second_nothing(shell: tuple[str, ...], tmp_path: Path) -> None:
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


def test_a_command_is_handed_over_as_it_is(host: Host, tmp_path: Path) -> None:
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


def test_without_a_command_it_hands_over_too(host: Host) -> None:
    host.run("setup")
    assert host.run().calls == [Call("meshwg", ())]
    assert host.run("--help").calls == [Call("meshwg", ("--help",))]


@pytest.mark.parametrize("command", ["up", "doctor", "status", "census", "backup", "--help", "frobnicate"])
def test_what_runs_the_service_needs_only_the_first_level(host: Host, command: str) -> None:
    done = host.run(command)
    assert done.code == 0
    assert done.packages == RUN_PACKAGES
    assert done.locks == ["requirements.lock"]
    assert done.made("meshwg")


@pytest.mark.parametrize("command", ["test", "gate", "bench", "lab", "transcript"])
def test_what_tests_it_needs_both_levels(host: Host, command: str) -> None:
    host.run("setup", "run")
    done = host.run(command)
    assert done.code == 0
    assert done.packages == TEST_PACKAGES
    assert done.locks == ["requirements-test.lock"]
    # The environment that is there is kept.
    assert not done.made("venv")
    assert done.made("meshwg")


def test_the_second_level_holds_the_first(host: Host) -> None:
    host.run("setup", "test")
    assert host.run("up").calls == [Call("meshwg", ("up",))]
    assert host.run("setup", "run").calls == []
    assert host.run("setup", "all").calls == []


@pytest.mark.parametrize("file", ["requirements-test.lock", "pyproject.toml", "meshwg"])
def test_a_changed_file_installs_again(host: Host, file: str) -> None:
    host.run("setup")
    host.change(file)
    again = host.run("setup")
    assert again.code == 0
    assert [call.what for call in again.calls] == ["pip", "pip"]
    assert again.locks == ["requirements-test.lock"]
    assert host.run("setup").calls == []


def test_a_changed_lock_file_of_the_tests_is_none_of_the_services_business(host: Host) -> None:
    host.run("setup")
    host.change("requirements-test.lock")
    assert host.run("up").made("pip") == []
    host.change("requirements.lock")
    assert host.run("up").locks == ["requirements.lock"]


def test_an_environment_that_is_gone_or_broken_is_made_again(host: Host) -> None:
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
def test_a_folder_elsewhere_gets_a_new_environment(host: Host, copied: bool) -> None:
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
def test_a_folder_may_have_any_name(tmp_path: Path, shell: tuple[str, ...], name: str) -> None:
    host = Host.make(tmp_path / "host", shell, name=name)
    done = host.run("setup")
    assert done.code == 0
    assert done.calls[-1].arguments[-2:] == ("--editable", str(host.checkout))
    assert host.run("up").calls == [Call("meshwg", ("up",))]


def test_a_link_to_it_works_from_everywhere(host: Host, tmp_path: Path) -> None:
    link = tmp_path / "elsewhere" / "mesh"
    link.parent.mkdir()
    link.symlink_to(host.checkout / "meshwg")
    assert host.run("setup", launcher=link).code == 0
    assert (host.venv / "bin" / "python").exists()
    assert host.run("up", launcher=link).calls == [Call("meshwg", ("up",))]


def test_setup_of_something_else_is_bad_usage(host: Host) -> None:
    done = host.run("setup", "bogus")
    assert (done.code, done.calls, done.asked) == (BAD_USAGE, [], [])
    assert done.said == ["meshwg: setup takes run or nothing."]
    assert not host.venv.exists()


def test_a_folder_that_can_t_be_written(host: Host) -> None:
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
def test_apt_that_fails_is_quoted(host: Host, which: str) -> None:
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


def test_a_host_without_apt(host: Host) -> None:
    host.remove("apt-get")
    done = host.run("setup")
    assert (done.code, done.calls) == (NOT_CONFIGURED, [])
    assert all(package in done.complaint for package in RUN_PACKAGES | TEST_PACKAGES)
    done = host.run("up")
    assert (done.code, done.calls) == (NOT_CONFIGURED, [])
    assert not any(package in done.complaint.split() for package in TEST_PACKAGES)


def test_without_root_or_sudo_it_says_what_is_missing(host: Host) -> None:
    host.remove("sudo")
    host.has_packages(*(RUN_PACKAGES | TEST_PACKAGES) - {"nftables", "tcpdump"})
    done = host.run("setup", FAKE_UID="1000")
    assert (done.code, done.calls) == (NO_RIGHT, [])
    assert done.complaint.rpartition(": ")[2].split() == ["nftables", "tcpdump"]
    # Where nothing is missing no right is needed.
    host.has_packages("nftables", "tcpdump")
    assert host.run("setup", FAKE_UID="1000").code == 0


def test_without_root_sudo_installs(host: Host) -> None:
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


def test_a_package_that_was_removed_is_missing(host: Host) -> None:
    host.has_packages(*RUN_PACKAGES)
    host.has_packages("nftables", status="config-files")
    assert host.run("setup", "run").packages == {"nftables"}


def test_where_every_package_is_there_apt_is_not_called(host: Host) -> None:
    host.has_packages(*RUN_PACKAGES, *TEST_PACKAGES)
    done = host.run("setup")
    assert done.code == 0
    assert not done.made("apt-get")


@pytest.mark.parametrize("step", ["--require-hashes", "--editable"])
def test_pip_that_fails_is_quoted_and_tried_again(host: Host, step: str) -> None:
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


def test_an_environment_that_can_t_be_made_is_tried_again(host: Host) -> None:
    done = host.run("setup", VENV_SAYS="ensurepip is not available")
    assert done.code == UNAVAILABLE
    assert done.said[-2:] == ["ensurepip is not available", "meshwg: A virtual environment could not be made."]
    assert host.run("setup").code == 0


def test_a_host_without_a_fit_python(host: Host) -> None:
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


def test_on_ubuntu_the_browser_comes_with_playwright(tmp_path: Path, shell: tuple[str, ...]) -> None:
    host = Host.make(tmp_path / "host", shell, distribution="ubuntu")
    host.run("setup", "run")
    done = host.run("setup")
    assert done.code == 0
    assert done.packages == TEST_PACKAGES - {"chromium"}
    assert done.calls[-1] == Call("python", ("-m", "playwright", "install", "--with-deps", "chromium"))
    assert host.run("setup").calls == []
    host.change("pyproject.toml")
    assert not host.run("setup", MESHWG_CHROMIUM="/opt/chrome").made("playwright")
    host.change("pyproject.toml")
    failed = host.run("setup", PLAYWRIGHT_CODE="1")
    assert (failed.code, failed.complaint) == (UNAVAILABLE, "meshwg: playwright could not install its browser.")


def test_on_debian_it_comes_with_apt(host: Host) -> None:
    assert not host.run("setup").made("playwright")


@contextmanager
def signal(folder: Path, name: str) -> Iterator[tuple[str, int]]:
    """A FIFO, and this end of it."""
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


def test_of_two_at_once_only_one_installs(host: Host) -> None:
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
def test_a_version_that_another_was_installed_over_is_not_ready(host: Host, ends: str) -> None:
    kept = {file: (host.checkout / file).read_bytes() for file in ("requirements.lock", "pyproject.toml")}
    host.run("setup")
    # Another branch is checked out and started, and then this one again.
    for file in kept:
        host.change(file)
    host.run("up", PIP_FAILS_AT="nowhere" if ends == "well" else "--editable")
    for file, content in kept.items():
        (host.checkout / file).write_bytes(content)
    assert host.run("gate").locks == ["requirements-test.lock"]


def test_what_is_installed_for_all_is_readable_by_all_whoever_installs_it(host: Host) -> None:
    host.umask = 0o077
    assert host.run("setup").code == 0
    assert (host.root / "calls-1.umask").read_text().strip() in ("0022", "022")


def test_another_installation_that_holds_the_lists_of_packages_is_waited_for(host: Host, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.touch()
    done = host.run("setup", APT_LISTS_TAKEN=str(taken))
    assert done.code == 0
    assert [call.arguments[1] for call in done.made("apt-get")] == ["update", "update", "install"]


def test_one_that_holds_them_for_ever_is_quoted_in_the_end(host: Host) -> None:
    words = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7 (apt-get)"
    done = host.run("setup", APT_UPDATE_SAYS=words)
    assert (done.code, done.said[-2]) == (UNAVAILABLE, words)
    assert len(done.made("apt-get")) == 60


@pytest.mark.parametrize("number", [Signal.SIGKILL, Signal.SIGINT, Signal.SIGTERM])
def test_an_environment_whose_making_was_cut_off_is_made_anew(host: Host, number: Signal) -> None:
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


def test_nothing_of_the_callers_own_python_or_pip_is_used(host: Host) -> None:
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


def test_without_a_place_for_temporary_files_it_says_so(host: Host) -> None:
    done = host.run("setup", TMPDIR=str(host.root / "nowhere"))
    assert (done.code, done.calls) == (NOT_WRITABLE, [])
    assert done.complaint == f"meshwg: No temporary file can be made in {host.root / 'nowhere'}."
