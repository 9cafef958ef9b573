"""Rehearsal of a service's work before its processes are forked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.gate import runs
from harness.paths import ROOT

_PROGRAM = """
import json, sys
from contextlib import closing
from harness.sabotage import rehearsal
rehearsal.rehearse()
from appliance.service import Context, setbacks
from appliance.store import Store, engines, migration
from appliance.web import cleanup
url = f"sqlite:///{sys.argv[1]}/store.sqlite"
compiled = engines.sqlite(url).get_execution_options()["compiled_cache"]
with closing(Store(url)) as store:
    migration.upgrade(store)
    before = set(compiled)
    context = Context(store, rehearsal.NoDataPlane(), "")
    setbacks.settle(context)
    cleanup.clean_up(context, context.clock())
print(json.dumps([len(before), [str(compiled[each]) for each in set(compiled) - before]]))
"""


@pytest.mark.long
def test_a_new_web_process_s_first_round_compiles_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(tmp_path)],
        cwd=ROOT,
        env=runs.environment(),
        capture_output=True,
        check=True,
        text=True,
    )
    before, more = json.loads(done.stdout)
    assert before > 0
    assert more == []
