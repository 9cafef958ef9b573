"""Network namespaces that tests of a module share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from appliance.hub.kernel import namespace


@contextmanager
def made(names: Sequence[str]) -> Iterator[None]:
    """Makes namespaces for the length of a block."""
    with ExitStack() as removals:
        for name in names:
            namespace.create(name)
            removals.callback(namespace.remove, name)
        yield
