"""A namespace for front doors, in the sandbox that the tests run in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness.proof.front_door.doors import Doorway, doorways


@pytest.fixture(scope="module")
def doorway() -> Iterator[Doorway]:
    """The namespace."""
    with doorways() as made:
        yield made
