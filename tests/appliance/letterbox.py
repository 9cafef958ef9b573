"""Delivery of the service's letters to a test."""

from __future__ import annotations

from appliance.model.letters import Letter
from appliance.service import Context, letters, postman


def delivered(context: Context) -> list[Letter]:
    """Sends all due letters through a fake relay; returns them in that order."""
    sent: list[Letter] = []

    class FakeRelay:
        def send(self, letter: Letter) -> None:
            sent.append(letter)

    while postman.deliver_one(context, FakeRelay(), letters.COMPOSERS):
        pass
    return sent
