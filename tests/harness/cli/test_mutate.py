"""``mutate``: the list of mutants, and what the command refuses."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.appliance import forks


def mutate(*options: str) -> subprocess.CompletedProcess[str]:
    """The command, to its end."""
    return forks.run(["mutate", *options], os.environ)


@pytest.mark.long
def test_a_list_depends_on_the_seed_alone() -> None:
    first, again, other = (mutate("--module=vault", "--list", "--sample=5", f"--seed={seed}") for seed in (1, 1, 2))
    assert first.returncode == other.returncode == 0
    assert first.stdout == again.stdout != other.stdout
    assert len(first.stdout.splitlines()) == 5
    assert all(line.startswith("vault/") and " → " in line for line in first.stdout.splitlines())


@pytest.mark.long
@pytest.mark.parametrize(("option", "value"), [("module", "kitchen"), ("judge", "jury"), ("minutes", "nan")])
def test_an_unknown_value_is_refused(option: str, value: str) -> None:
    done = mutate(f"--{option}={value}")
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr.startswith(f"meshwg: --{option} takes ")
