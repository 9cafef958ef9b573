"""Python environment that ``./meshwg setup`` makes, and the packages and the browser in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.launcher.expected import NOT_CONFIGURED, TEST_PACKAGES, UNAVAILABLE
from tests.launcher.host import Call, Host


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


def test_the_caller_s_own_python_and_pip_settings_are_ignored(host: Host) -> None:
    host.variables |= {"PIP_USER": "1", "PIP_TARGET": "/opt/x", "PYTHONPATH": "/opt/y", "PYTHONHOME": "/opt/z"}
    assert host.run("setup").code == 0
    assert (host.root / "calls-1.pip").read_text() == "0 unset unset\n"
