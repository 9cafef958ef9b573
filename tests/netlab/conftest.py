"""Guard of tests that run real programs with real packets: they need a sandbox."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netlab import Lab, topologies
from tests.sandboxes import need_sandbox


@pytest.fixture(scope="session", autouse=True)
def _in_a_sandbox() -> None:
    need_sandbox()


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as made:
        yield made


@pytest.fixture
def pair(lab: Lab) -> topologies.Pair:
    return topologies.pair(lab)


@pytest.fixture
def gated(lab: Lab) -> topologies.Gated:
    return topologies.gated(lab)
