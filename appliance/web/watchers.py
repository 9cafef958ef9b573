"""Watchers: callers that may read the metrics and the details of readiness.

Strangers get neither, as these reveal the number of customers and times of trouble.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from ipaddress import ip_network

from appliance.model.errors import Unauthenticated
from appliance.web.limits import RateLimits
from appliance.web.proxies import is_one_of
from appliance.web.request import Request

_THIS_HOST = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
# Headers of a proxy on this host, which may be unknown to us and speak for strangers.
_PROXIES_SAY = ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via")


@dataclass(frozen=True)
class Watchers:
    """Decides which requests are a watcher's.

    Attributes:
        limits: knows trusted addresses, and counts requests of strangers.
        token: makes any caller that sends it a watcher; None: no caller.
    """

    limits: RateLimits
    token: str | None = field(default=None, repr=False)

    def is_one(self, request: Request) -> bool:
        """True if the caller is this host itself, has a trusted address, or sends the token."""
        is_direct = not any(request.header(name) for name in _PROXIES_SAY)
        return (
            self.limits.is_trusted(request.address)
            or (is_direct and is_one_of(request.address, _THIS_HOST))
            or self._shows_the_token(request)
        )

    def check(self, request: Request) -> None:
        """Refuse everybody but watchers, and count their requests.

        Raises:
            Unauthenticated: the caller is no watcher.
            TooMany: the caller has asked too often.
        """
        if not self.is_one(request):
            self.limits.stranger(request.address)
            raise Unauthenticated("This is for the host itself, trusted sources, and callers with the metrics token.")

    def _shows_the_token(self, request: Request) -> bool:
        scheme, _, shown = request.header("Authorization").partition(" ")
        if self.token is None or scheme.lower() != "bearer":
            return False
        return hmac.compare_digest(self.token.encode(), shown.strip().encode("utf-8", "surrogatepass"))
