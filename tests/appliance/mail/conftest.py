"""Fixture of a mail relay on this host."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.appliance.mail.mailbox import Mailbox


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with Mailbox.open() as opened:
        yield opened
