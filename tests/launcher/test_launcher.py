"""``./meshwg`` in shells and folders of all kinds, and what it passes on to the command line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.launcher.expected import NOT_WRITABLE, RUN_PACKAGES, TEST_PACKAGES
from tests.launcher.host import Call, Host

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


def test_a_missing_folder_for_temporary_files_is_reported(host: Host) -> None:
    done = host.run("setup", TMPDIR=str(host.root / "nowhere"))
    assert (done.code, done.calls) == (NOT_WRITABLE, [])
    assert done.complaint == f"meshwg: No temporary file can be made in {host.root / 'nowhere'}."
