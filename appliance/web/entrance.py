"""The way in for people, through the API and through the pages: within the limits."""

from __future__ import annotations

from appliance.model.errors import Unauthenticated
from appliance.service import accounts
from appliance.web import request
from appliance.web.request import Site


def log_in(site: Site, email: str, password: str) -> accounts.Session:
    """Logs in within the limits; a failed attempt counts, a successful one does not."""
    site.limits.log_in(request.address(), email)
    try:
        return accounts.log_in(site.workplace, email=email, password=password)
    except Unauthenticated:
        site.limits.log_in_failed(request.address(), email)
        raise
