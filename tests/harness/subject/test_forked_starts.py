"""Starts of a service: forks of the run, if they are wanted and no thread of it could hold a lock."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness.paths import ROOT

# In a process of its own, since pytest's workers have threads.
_PROGRAM = """
import json, signal, threading
from harness.judging.verdicts import Inconclusive
from harness.subject.options import Build, ServiceOptions
from harness.subject.service import Service
from netlab import Lab

def body(arguments):
    print("MeshWG is up", flush=True)
    signal.pause()

def operate(arguments):
    print(json.dumps({"organizations": [{"id": arguments[0]}]}))

with Lab() as lab:
    # The program is one that says the system's name and ends.
    build = Build(["platform"], body, operate)
    product = Service(lab.host("product"), ServiceOptions("192.0.2.1", product=build))
    product.start(is_forked=True)
    assert list(product.census()) == ["census"]
    product.stop()
    assert product.try_start(product.data, None)[1] != "MeshWG is up"
    with Service(lab.host("hub"), ServiceOptions("192.0.2.1", broken=build)) as service:
        service.stop()
        service.start()
        assert list(service.census()) == ["census"]
        service.stop()
        ended = threading.Event()
        threading.Thread(target=ended.wait).start()
        try:
            service.start()
        except Inconclusive as error:
            print(error)
        ended.set()
"""


@pytest.mark.long
def test_a_service_is_forked_unless_threads_run() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("the service did not start: Linux")
