"""Program of the lab: reads its plan as a line of JSON, and ends with its input.

With ``--check`` it only says, by its exit status and in one sentence, whether this machine can have such a lab.
"""

from __future__ import annotations

import json
import os
import shutil
import sys

from harness.demo.lab import run
from harness.subject import outward
from harness.subject.outward import Outward
from netlab import SandboxError, sandbox

_OUTWARD = "MESHWG_DEMO_OUTWARD"
_PROGRAMS = ("wg-quick", "wg", "ip")


def main() -> None:
    """Runs the program."""
    if sys.argv[1:] == ["--check"]:
        _check()
    elif _OUTWARD not in os.environ:
        # The sandbox's network has no way to the hub but this one.
        os.environ[_OUTWARD] = str(outward.start())
        sandbox.enter([sys.executable, "-m", "harness.demo"])
    else:
        plan = json.loads(sys.stdin.readline())
        run(plan, Outward(int(os.environ[_OUTWARD])))


def _check() -> None:
    missing = [each for each in _PROGRAMS if shutil.which(each) is None]
    if missing:
        sys.exit(f"there is no {' and no '.join(missing)}")
    try:
        sandbox.check()
    except SandboxError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
