"""``./meshwg`` before anything is installed: help, version and diagnosis."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from appliance import release
from harness.paths import ROOT
from tests.launcher.expected import BAD_USAGE, RUN_PACKAGES, UNAVAILABLE
from tests.launcher.host import Call, Host


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
