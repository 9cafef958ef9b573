"""The letters that there are, by their kind."""

from __future__ import annotations

from collections.abc import Mapping

from appliance.service import invitations, resets, verification
from appliance.service.mail import Composer

COMPOSERS: Mapping[str, Composer] = {
    invitations.LETTER: invitations.compose,
    resets.LETTER: resets.compose,
    verification.LETTER: verification.compose,
}
