"""Pytest that is made ready once, for runs in processes that are forked afterwards.

A run's pytest first loads its plugins, declares all options, and reads its settings and `conftest.py`. That takes a
sixth of the processor time of a short run, and comes to the same each time but for the values of options.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pytest


class _Stopped:
    """Plugin that stops pytest before a session begins, and keeps what it has made ready by then."""

    def __init__(self) -> None:
        self.parser: pytest.Parser | None = None
        self.config: pytest.Config | None = None

    def pytest_addoption(self, parser: pytest.Parser) -> None:
        self.parser = parser

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> int | None:
        if self.config is not None:
            return None
        self.config = config
        return 0


class PreparedPytest:
    """Pytest before its session.

    Args:
        arguments: command line of all runs: where their tests are, and the plugins.

    Raises:
        pytest.UsageError: pytest can't be made ready.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        stopped = _Stopped()
        status = pytest.main(list(arguments), [stopped])
        if stopped.config is None or stopped.parser is None:
            raise pytest.UsageError(f"pytest ended with exit code {status}")
        self._config, self._parser = stopped.config, stopped.parser
        # What tests print goes where the run's output goes. It was ended with the preparation, and can't go on.
        self._config.pluginmanager.unregister(name="capturemanager")

    def run(self, arguments: Sequence[str]) -> int:
        """Runs the tests. Can be called once in each process.

        Args:
            arguments: further arguments of the command line.

        Returns:
            Exit code of pytest.
        """
        config = self._config
        try:
            _, unknown = self._parser.parse_known_and_unknown_args(arguments, config.option)
            if unknown:
                raise pytest.UsageError(f"unrecognized arguments: {' '.join(unknown)}")
            return int(config.hook.pytest_cmdline_main(config=config))
        except pytest.UsageError as error:
            print(f"ERROR: {error}", file=sys.stderr)
            return int(pytest.ExitCode.USAGE_ERROR)
