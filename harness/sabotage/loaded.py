"""Imports of runs against a sabotaged service, for the process that such runs are forked from."""

from __future__ import annotations

import contextlib
import io
import os

import alembic.command  # noqa: F401
import httpcore  # noqa: F401
import hypothesis.stateful  # noqa: F401
import psycopg  # noqa: F401
import pydantic.type_adapter
import pydantic.types  # noqa: F401
import pytest
import pytest_timeout  # type: ignore[import-untyped]  # noqa: F401
import sqlalchemy.dialects.postgresql.psycopg
import sqlalchemy.dialects.sqlite  # noqa: F401

from harness.paths import ROOT, SCENARIOS
from harness.proof.bitvectors import question  # noqa: F401
from harness.sabotage import (
    forks,  # noqa: F401
    rehearsal,
)
from harness.sabotage.prepared import PreparedPytest
from netlab import forkable

_RUN = [str(SCENARIOS), "-p", "pytest_timeout", "-p", "no:cacheprovider"]

# Once, in place of once in each fork: an application is made, and pytest's plugins and the scenarios are loaded.
rehearsal.rehearse()
# Options in a variable of pytest's would be those of each run.
for _variable in [each for each in os.environ if each.startswith("PYTEST_")]:
    del os.environ[_variable]
os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
os.chdir(ROOT)
with contextlib.redirect_stdout(io.StringIO()):
    pytest.main([*_RUN, "--collect-only", "--quiet"])

PYTEST = PreparedPytest(_RUN)
"""Pytest of the runs."""

forkable.settle()
