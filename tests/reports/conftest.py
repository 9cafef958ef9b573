"""Fixtures: a key to sign with."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reports.keys import Signer


@pytest.fixture(scope="session")
def signer() -> Signer:
    """Provides a key of this run."""
    return Signer(Ed25519PrivateKey.generate())
