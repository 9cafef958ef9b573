"""The two levels of ``./meshwg setup``: what each installs, for which commands, and when again."""

from __future__ import annotations

import shutil

import pytest

from tests.launcher.expected import BAD_USAGE, RUN_PACKAGES, TEST_PACKAGES
from tests.launcher.host import Call, Host


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


def test_setup_of_an_unknown_level_is_bad_usage(host: Host) -> None:
    done = host.run("setup", "bogus")
    assert (done.code, done.calls, done.asked) == (BAD_USAGE, [], [])
    assert done.said == ["meshwg: setup takes run or nothing."]
    assert not host.venv.exists()


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


def test_another_python_of_the_system_makes_another_environment(host: Host) -> None:
    """Replaces Python by another version, as an upgrade of the distribution does."""
    host.run("setup")
    new = host.root / "python3.14"
    (host.venv / "bin" / "python").rename(new)
    (host.venv / "bin" / "python").symlink_to(new)
    assert [call.what for call in host.run("setup", PIP_IS_GONE="1").calls] == ["venv", "pip", "pip"]
