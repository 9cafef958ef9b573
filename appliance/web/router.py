"""Bottle's router, with the patterns of all routes compiled together."""

from __future__ import annotations

import bottle


class Router(bottle.Router):  # type: ignore[misc]
    """Router whose routes with variable parts are found once `complete` was called.

    Bottle compiles the patterns of all routes anew for each of them, which is a fifth of the web process's start.
    """

    def __init__(self) -> None:
        super().__init__()
        self._methods: set[str] = set()

    def _compile(self, method: str) -> None:
        self._methods.add(method)

    def complete(self) -> None:
        """Compile the patterns of the routes that were added."""
        for method in self._methods:
            super()._compile(method)
