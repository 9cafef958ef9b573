"""Bad ends of a service: each is kept, whether anybody asked for it or not."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from harness.paths import ROOT

# In a process of its own, since pytest's workers have threads, and then a service is a program.
_PROGRAM = """
import json, os, signal, sys
from contextlib import suppress
from harness.judging.verdicts import Inconclusive
from harness.subject.options import Build, ServiceOptions
from harness.subject.service import Service
from netlab import Lab, wait_until

do = sys.argv[1]

def body(arguments):
    if do == "never up":
        os._exit(3)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(1 if do == "bad stop" else 0))
    print("MeshWG is up", flush=True)
    if do == "by itself":
        os._exit(0)
    signal.pause()

with Lab() as lab:
    service = Service(lab.host("hub"), ServiceOptions("192.0.2.1", broken=Build(["platform"], body, body)))
    looks = []
    service.before_stop = lambda: looks.append(do)
    with suppress(Inconclusive):
        service.start()

    def is_noted():
        with suppress(Inconclusive):
            service.ensure_running()
        return bool(service.bad_ends)

    if do == "by itself":
        wait_until(is_noted, 10)
    elif do == "never up":
        is_noted()
    service.stop()
    # Nothing can be asked of a service that has ended. One that was started again may not have ended yet.
    assert do == "by itself" or bool(looks) == ("stop" in do), looks
    print(json.dumps(sorted(set(service.bad_ends))))
"""


@pytest.mark.parametrize(
    ("does", "ends"),
    [
        ("good stop", []),
        ("bad stop", ["exit status 1 after it was told to stop"]),
        ("by itself", ["exit status 0 by itself"]),
        # The start that failed has said so.
        ("never up", []),
    ],
)
def test_each_bad_end_of_a_service_is_kept(does: str, ends: list[str]) -> None:
    command = [sys.executable, "-c", _PROGRAM, does]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ends
