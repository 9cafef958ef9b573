"""A lab with a service, which the tests of a module share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.world.damage import ANYTHING
from harness.world.world import World
from tests.sandboxes import need_sandbox


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    need_sandbox()
    with World() as made, made.subject.without_faults(ANYTHING):
        yield made
