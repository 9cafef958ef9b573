"""Whose place a large body takes: that of an organization, whose caller is signed in. A stranger has use for none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import bottle

from appliance.model.addresses import Network
from appliance.model.errors import Unauthenticated
from appliance.web import request
from appliance.web.proxies import client_address
from appliance.web.request import Site


class Senders:
    """Knows the senders of requests by what their heads say, before their bodies are read.

    Args:
        proxies: whose word on a caller's address is taken.
    """

    def __init__(self, site: Site, proxies: Sequence[Network] = ()) -> None:
        self._site = site
        self._proxies = proxies

    def organization(self, environ: Mapping[str, Any]) -> str:
        """The sender's organization; asks the store.

        Raises:
            Unauthenticated: it has none; it is counted as a stranger.
            TooMany: it was counted too often.
        """
        head = bottle.BaseRequest(dict(environ))
        scheme, _, credentials = str(environ.get("HTTP_AUTHORIZATION", "")).partition(" ")
        is_cookie = scheme.lower() != "bearer"
        held = str(head.get_cookie(request.COOKIE) or "") if is_cookie else credentials.strip()
        try:
            if not held:
                raise Unauthenticated("A body this large needs a session or a token.")
            return request.holder_of(self._site.workplace, held, is_cookie=is_cookie).organization_id
        except Unauthenticated:
            forwarded = str(environ.get("HTTP_X_FORWARDED_FOR", ""))
            self._site.limits.stranger(client_address(str(environ["REMOTE_ADDR"]), forwarded, self._proxies))
            raise
