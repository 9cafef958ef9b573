"""What pytest loads of this package in any project that has it installed: one option, and the gate's plugins behind it.

Those have options with everyday names, and need more than every project has.
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
    """With ``--hub``, loads the gate's plugins, in time for their own options."""
    if early_config.known_args_namespace.hub is not None:
        early_config.pluginmanager.import_plugin("harness.gate.plugin")
        early_config.pluginmanager.import_plugin("harness.gate.otherhub")
