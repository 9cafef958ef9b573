"""Rulesets in the kernel of the sandbox that the tests run in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.proof import Reading
from tests.appliance.hub.ruled import Kernel
from tests.harness.proof.compiled import grouped, in_buckets, kernels, mixed, reading_of, small


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    """Rules in a namespace with a link."""
    with kernels() as made:
        yield made


@pytest.fixture(scope="module")
def reading(kernel: Kernel) -> Reading:
    """The organization `mixed`, read back."""
    kernel.load(mixed())
    return reading_of(kernel)


@pytest.fixture(scope="module")
def spread_reading(kernel: Kernel) -> Reading:
    """The organization `in_buckets`, read back."""
    kernel.load(in_buckets())
    return reading_of(kernel)


@pytest.fixture(scope="module")
def grouped_reading(kernel: Kernel) -> Reading:
    """The organization `grouped`, read back."""
    kernel.load(grouped())
    return reading_of(kernel)


@pytest.fixture(scope="module")
def small_reading() -> Iterator[Reading]:
    """The organization `small`, read back."""
    with kernels() as kernel:
        kernel.load(small())
        yield reading_of(kernel)
