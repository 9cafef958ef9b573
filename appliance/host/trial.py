"""Start of `appliance.host.trial_program` in a process, as this user or as one without privileges."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from appliance.host import trial_program
from appliance.host.facts import Trial

DEADLINE_S = 60.0
"""Longest time of a trial that hangs; seconds. On a busy host one takes several, and `up` would refuse to start."""

# Conventional user without rights.
_NOBODY = 65534


def run_as_self() -> Trial:
    """Run a trial with the rights of this process."""
    try:
        return _run() or Trial({trial_program.NAMESPACES: "the trial ended without a result"})
    except subprocess.TimeoutExpired as error:
        return Trial({trial_program.NAMESPACES: f"the trial had not ended after {error.timeout:g} s"})


def run_as_ordinary_user() -> Trial | None:
    """Run a trial as a user without rights; None if this process can't become that user, which needs root."""
    try:
        return _run(user=_NOBODY, group=_NOBODY, extra_groups=[])
    except subprocess.TimeoutExpired:
        return None


def _run(**identity: Any) -> Trial | None:
    # The environment is empty, because other processes of that user could read the unlock secret from it. The
    # interpreter is the system's, because that user may not be able to reach the virtual environment.
    try:
        done = subprocess.run(
            [str(Path(sys.executable).resolve()), "-I", "-S", "-"],
            input=inspect.getsource(trial_program),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd="/",
            env={},
            timeout=DEADLINE_S,
            check=True,
            **identity,
        )
        return Trial(json.loads(done.stdout))
    except (OSError, ValueError, subprocess.CalledProcessError):
        return None
