"""What a run against a broken service loads, imported by the process that such runs are forked from."""

from __future__ import annotations

import contextlib
import gc
import io

import httpcore  # noqa: F401
import hypothesis.stateful  # noqa: F401
import pydantic.type_adapter
import pydantic.types  # noqa: F401
import pytest
import pytest_timeout  # type: ignore[import-untyped]  # noqa: F401
import sqlalchemy.dialects.sqlite  # noqa: F401

import appliance.store.migration  # noqa: F401
from appliance.web.pages import view
from harness.sabotage import forks  # noqa: F401

# Each start of a service would compile all templates again, and each of pytest load its own plugins.
view.loaded()
with contextlib.redirect_stdout(io.StringIO()):
    pytest.main(["--version"])

# Nothing of it is garbage, and looking for some would copy its memory into each fork.
gc.collect()
gc.freeze()
