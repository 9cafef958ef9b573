"""Command lines of the scripts in `deploy/`: an invalid one starts nothing."""

from __future__ import annotations

import configparser
import re
import subprocess
from pathlib import Path

import pytest

from harness.paths import ROOT

LANES = sorted(each.parent.name for each in ROOT.glob("deploy/*/prove"))
# The others hand their options on to the gate or to pytest.
OWN_OPTIONS = ("bare", "container", "docker-lab", "kernel", "monitoring", "scan", "ssh")
WITH_VALUES = [
    *(("bare", option) for option in ("--only", "--suite", "--mirror")),
    *(("container", option) for option in ("--base", "--suite", "--mirror")),
    *(("docker-lab", option) for option in ("--base", "--suite", "--mirror")),
    *(("kernel", option) for option in ("--only", "--suite", "--mirror")),
    ("scan", "--seconds"),
]


_ROW = re.compile(r"^\| `([\w-]+)` \| `deploy/([\w-]+)/prove` \|", re.MULTILINE)
_OF_TOX = re.compile(r"\{toxinidir\}/deploy/([\w-]+)/prove")


def prove(lane: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    # Where it would begin by mistake, there is nothing to begin with.
    programs = ":".join({str(Path(each).parent) for each in ("/usr/bin/dirname", "/bin/sed")})
    return subprocess.run(
        ["/bin/bash", f"deploy/{lane}/prove", *arguments],
        cwd=ROOT,
        env={"PATH": programs, "MESHWG_PYTHON": "/bin/false"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_is_the_script_s_own_description(lane: str, option: str) -> None:
    done = prove(lane, option)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"deploy/{lane}/prove" in done.stdout
    assert "#" not in done.stdout
    assert "set -" not in done.stdout


@pytest.mark.parametrize("lane", OWN_OPTIONS)
def test_an_unknown_option_is_one_sentence(lane: str) -> None:
    done = prove(lane, "--nonsense")
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr.startswith(f"{lane}: usage: prove")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(("lane", "option"), WITH_VALUES)
def test_an_option_without_its_value_is_one_sentence(lane: str, option: str) -> None:
    done = prove(lane, option)
    assert (done.returncode, done.stdout, done.stderr) == (64, "", f"{lane}: {option} takes a value\n")


def test_each_lane_is_documented_and_has_a_name_in_tox() -> None:
    tox = configparser.ConfigParser()
    tox.read(ROOT / "tox.ini")
    named = {
        section.removeprefix("testenv:"): found[0]
        for section in tox.sections()
        if section.startswith("testenv:") and (found := _OF_TOX.findall(tox[section]["commands"]))
    }
    assert sorted(named.values()) == sorted(_OF_TOX.findall(tox["testenv"]["allowlist_externals"])) == LANES
    assert dict(_ROW.findall((ROOT / "CONTRIBUTING.md").read_text())) == named
