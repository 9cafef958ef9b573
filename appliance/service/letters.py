"""Composers of letters, by the letter's kind."""

from __future__ import annotations

from collections.abc import Mapping

from appliance.service import factor_removals, invitations, notices, permits, resets, verification
from appliance.service.mail import Composer

COMPOSERS: Mapping[str, Composer] = {
    factor_removals.LETTER: factor_removals.compose,
    invitations.LETTER: invitations.compose,
    notices.LETTER: notices.compose,
    permits.LETTER: permits.compose,
    resets.LETTER: resets.compose,
    verification.AT_SIGN_UP: verification.compose,
    verification.LETTER: verification.compose,
}
