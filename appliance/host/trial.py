"""Starts `appliance.host.inside` in a process of its own, as the user who asks or as one without privileges."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from appliance.host import inside
from appliance.host.facts import Trial

_DEADLINE = 5.0
# The number that distributions give to a user with no rights at all.
_NOBODY = 65534


def as_oneself() -> Trial:
    """A trial with the rights of this process."""
    return _run() or Trial({inside.NAMESPACES: "the trial ended before it said anything"})


def as_ordinary_user() -> Trial | None:
    """A trial without rights, which takes root; None where this process can't become such a user."""
    return _run(user=_NOBODY, group=_NOBODY, extra_groups=[])


def _run(**identity: Any) -> Trial | None:
    # The environment stays outside: it may hold the unlock secret, and other processes of that user could read it.
    # The interpreter itself rather than the virtual environment's, which that user may not be able to reach.
    try:
        done = subprocess.run(
            [str(Path(sys.executable).resolve()), "-I", "-S", "-"],
            input=inspect.getsource(inside),
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
