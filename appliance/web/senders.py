"""Whose place a large body takes: that of an organization, whose caller is signed in. A stranger has use for none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from appliance.model.addresses import Network
from appliance.model.errors import Unauthenticated
from appliance.web.authentication import holder_of
from appliance.web.proxies import client_address
from appliance.web.request import Request
from appliance.web.site import Site


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
        head = Request.head(environ)
        held = head.token
        try:
            if held is None:
                raise Unauthenticated("A body this large needs a session or a token.")
            return holder_of(self._site.context, held, is_cookie=head.is_by_cookie).organization_id
        except Unauthenticated:
            self._site.limits.stranger(client_address(head.address, head.header("X-Forwarded-For"), self._proxies))
            raise
