"""Pytest plugin of every project that has this package installed: the option ``--hub``, which loads the gate's plugins.

The gate's plugins are not loaded without it: their options have common names, and they import more packages.
"""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds ``--hub``."""
    parser.getgroup("gate").addoption(
        "--hub", metavar="MODULE:CLASS", help="gate this hub, a class as harness.target describes it"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Loads the gate's plugins if there is ``--hub``, before pytest parses their options."""
    if early_config.known_args_namespace.hub is not None:
        early_config.pluginmanager.import_plugin("harness.gate.plugin")
        early_config.pluginmanager.import_plugin("harness.gate.otherhub")
