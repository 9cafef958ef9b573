"""The way in for people, through the API and through the pages: within the limits."""

from __future__ import annotations

from contextlib import AbstractContextManager

from appliance.service import accounts
from appliance.service.sessions import Session
from appliance.web import request
from appliance.web.request import Site


def guessing(site: Site, email: str) -> AbstractContextManager[None]:
    """For a block that says whether a password or a code is right: a wrong one counts, and too many end it.

    Raises:
        TooMany: there were too many wrong ones from this address, or for this account.
    """
    return site.limits.guessing(request.address(), email)


def log_in(site: Site, email: str, password: str) -> Session:
    """Logs in within the limits; a failed attempt counts, a successful one does not."""
    with guessing(site, email):
        return accounts.log_in(site.workplace, email=email, password=password, device=request.device())
