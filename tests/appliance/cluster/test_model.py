"""The model of ownership, enforcement and saves keeps its property, and every known break of it is found."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.appliance.cluster.example import installed
from tests.waiting import DEADLINE

pytestmark = pytest.mark.full

_MODEL = Path(__file__).with_name("ownership.pml")
_BREAKS = {
    "LONG_OFFER": "the kernel counts longer than the lease lasts",
    "LATE_OFFER": "the kernel begins to count when the renewal is known, not before it is asked for",
    "BLIND": "a hub that nobody answers opens its front door all the same",
    "NO_CLEAR": "a hub that owns the shard again keeps what it enforced before",
    "ANY_LEFT": "a hub that is killed before it opens its front door goes on with what is there",
    "NO_CATCH_UP": "a hub that has prepared for the shard begins with what it has prepared",
    "NO_FENCE": "a save commits without a look at who owns the shard",
}


def verified(folder: Path, *variant: str) -> tuple[int, int]:
    """Lets spin visit all states of the model, or those up to the first error; returns errors and states."""
    for program in ("spin", "gcc"):
        installed(program)
    for command in (
        ["spin", "-a", *variant, str(_MODEL)],
        ["gcc", "-O1", "-DSAFETY", "-o", "pan", "pan.c"],
    ):
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=5 * DEADLINE)
    done = subprocess.run(
        ["./pan", "-m100000"], cwd=folder, check=True, capture_output=True, text=True, timeout=5 * DEADLINE
    )
    assert "search depth too small" not in done.stdout
    errors = re.search(r"errors: (\d+)", done.stdout)
    states = re.search(r"(\d+) states, stored", done.stdout)
    assert errors is not None
    assert states is not None, done.stdout
    return int(errors[1]), int(states[1])


def test_the_model_keeps_its_property(tmp_path: Path) -> None:
    errors, states = verified(tmp_path)
    assert errors == 0
    # A model that can hardly move would keep any.
    assert states > 1_000_000


@pytest.mark.parametrize("variant", _BREAKS)
def test_a_known_break_of_the_model_is_found(tmp_path: Path, variant: str) -> None:
    errors, _ = verified(tmp_path, f"-D{variant}")
    assert errors == 1, _BREAKS[variant]
