"""Whose place a large body takes: that of an organization, whose caller is signed in. A stranger has use for none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appliance.model.errors import Unauthenticated
from appliance.web.authentication import holder_of
from appliance.web.request import Request
from appliance.web.site import Site


def organization(site: Site, environ: Mapping[str, Any]) -> str:
    """Organization of a sender, by the head of its request, before the body is read; asks the store.

    Raises:
        Unauthenticated: it has none; it is counted as a stranger.
        TooMany: it was counted too often.
    """
    head = Request.head(environ)
    held = head.token
    try:
        if held is None:
            raise Unauthenticated("A body this large needs a session or a token.")
        return holder_of(site.context, held, is_cookie=head.is_by_cookie).organization_id
    except Unauthenticated:
        site.limits.stranger(head.address)
        raise
