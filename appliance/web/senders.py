"""Senders of large bodies: only authenticated callers may send any, and each payer (`payers`) has own places."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appliance.model.errors import Unauthenticated
from appliance.web.authentication import holder_of
from appliance.web.payers import shares_of
from appliance.web.request import Request
from appliance.web.site import Site


def sender(site: Site, environ: Mapping[str, Any]) -> str:
    """Find the payer of a request from its head, before the body is read; asks the store.

    Raises:
        Unauthenticated: the request has no valid token; it is counted as a stranger's.
        TooMany: the caller's address sends too many such requests.
    """
    head = Request.head(environ)
    held = head.credential
    try:
        if held is None:
            raise Unauthenticated("A body this large needs a session or a token.")
        actor = holder_of(site.context, held, is_cookie=head.is_by_cookie or held != head.token)
    except Unauthenticated:
        site.limits.stranger(head.address)
        raise
    return shares_of(actor)[0]
