"""Imports of runs against a mutant, for the process that such runs are forked from.

Nothing of the product is among them: each fork imports it anew, with its mutant.
"""

from __future__ import annotations

import contextlib
import importlib

import pytest  # noqa: F401

from netlab import forkable

# Libraries that the product and its tests use. One that is missing is missed by the tests that need it.
_LIBRARIES = (
    "alembic.command",
    "argon2",
    "bottle",
    "coverage",
    "cryptography.hazmat.primitives.asymmetric.x25519",
    "httpx",
    "hypothesis.stateful",
    "jinja2",
    "msgspec",
    "nftables",
    "prometheus_client",
    "pyroute2",
    "pytest_timeout",
    "scapy.layers.inet",
    "sqlalchemy.dialects.sqlite",
    "structlog",
    "typer",
    "webauthn",
    "z3",
)
for _library in _LIBRARIES:
    with contextlib.suppress(ImportError):
        importlib.import_module(_library)

forkable.settle()
