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

_DEADLINE = 5.0
# Conventional user without rights.
_NOBODY = 65534


def run_as_self() -> Trial:
    """Run a trial with the rights of this process."""
    return _run() or Trial({trial_program.NAMESPACES: "the trial ended without a result"})


def run_as_ordinary_user() -> Trial | None:
    """Run a trial as a user without rights; None if this process can't become that user, which needs root."""
    return _run(user=_NOBODY, group=_NOBODY, extra_groups=[])


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
            timeout=_DEADLINE,
            check=True,
            **identity,
        )
        return Trial(json.loads(done.stdout))
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
