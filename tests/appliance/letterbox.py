"""Letters that a service sends, as a test reads them."""

from __future__ import annotations

from appliance.model.letters import Letter
from appliance.service import Context, letters, postman


def delivered(context: Context) -> list[Letter]:
    """Send every letter that is due, by a relay that takes all, and return them in that order."""
    sent: list[Letter] = []

    class Relay:
        def send(self, letter: Letter) -> None:
            sent.append(letter)

    while postman.deliver_one(context, Relay(), letters.COMPOSERS):
        pass
    return sent
