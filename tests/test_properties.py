"""Property tests don't fail on a busy machine."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.paths import ROOT
from tests.properties import DEFAULT, SHARE, examples, load, sharing_fixtures


@given(st.none())
def test_no_property_of_this_run_is_judged_by_the_clock(request: pytest.FixtureRequest, example: None) -> None:
    """Checks every property that was collected, this one included; a whole run collects all."""
    del example
    judged = []
    for item in request.session.items:
        test = getattr(item, "obj", None)
        if not getattr(test, "is_hypothesis_test", False):
            continue
        own = getattr(test, "_hypothesis_internal_use_settings", DEFAULT)
        if own.deadline is not None or HealthCheck.too_slow not in own.suppress_health_check:
            judged.append(item.nodeid)
    assert judged == []


def test_a_property_s_failure_can_be_repeated() -> None:
    assert DEFAULT.print_blob
    assert sharing_fixtures(1).print_blob


def test_a_profile_decides_how_many_examples_are_tried() -> None:
    now = settings.get_current_profile_name()
    try:
        load("quick")
        assert (settings().max_examples, examples(10).max_examples) == (DEFAULT.max_examples // SHARE, 3)
        assert sharing_fixtures(1).max_examples == 1
        load("full")
        assert (settings().max_examples, examples(10).max_examples) == (DEFAULT.max_examples, 10)
        assert sharing_fixtures(10).max_examples == 10
    finally:
        load(now)


def test_numbers_of_examples_come_from_the_profile() -> None:
    """A number of a property's own would be the same in the quick profile."""
    own = ROOT / "tests"
    # The calls of the API have an option for theirs.
    known = {own / name for name in ("properties.py", "test_properties.py", "appliance/web/api/test_contract.py")}
    assert {file for file in own.rglob("*.py") if "max_examples" in file.read_text()} == known


@pytest.mark.full
def test_the_full_profile_runs_what_is_marked(request: pytest.FixtureRequest) -> None:
    assert request.config.getoption("--profile") == "full"


@pytest.mark.long
@pytest.mark.parametrize("workers", [[], ["-n1"]], ids=["alone", "by workers"])
def test_a_run_tells_what_it_left_to_the_full_profile(workers: list[str]) -> None:
    assert _told("quick", *workers) == ["left to --profile full: 1 tests, and 3 of 4 examples of 1 properties"]
    assert _told("full", *workers) == []


def _told(profile: str, *workers: str) -> list[str]:
    """Runs two tests of this file; returns the lines about the profile."""
    chosen = ("-k", "runs_what or by_the_clock", f"--profile={profile}")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, *chosen, *workers]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if line.startswith("left to")]
