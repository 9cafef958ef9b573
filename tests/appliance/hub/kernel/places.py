"""Network namespaces that tests of a module share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from appliance.hub.kernel import namespace


@contextmanager
def made(names: Sequence[str]) -> Iterator[None]:
    """Makes namespaces for the length of a block."""
    for name in names:
        namespace.create(name)
    yield
    for name in names:
        namespace.remove(name)
