"""A namespace for front doors, in the sandbox that the tests run in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netlab import sandbox
from tests.harness.proof.front_door.doors import Doorway, doorways


@pytest.fixture(scope="module")
def doorway() -> Iterator[Doorway]:
    """The namespace."""
    if not sandbox.inside():
        pytest.fail("tests of rules run in a sandbox: use `./meshwg test --only unit`")
    with doorways() as made:
        yield made
