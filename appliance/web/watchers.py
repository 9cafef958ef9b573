"""The callers that may see how the service is doing: metrics, and what readiness is made of.

A stranger learns from them how many customers there are and when something is wrong, so it is told neither.
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
# A proxy on this host speaks for others, also one that nobody told us of.
_PROXIES_SAY = ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via")


@dataclass(frozen=True)
class Watchers:
    """Tells them from strangers.

    Attributes:
        limits: knows trusted sources, and counts what others ask.
        token: opens the metrics to a caller from anywhere; None: to nobody.
    """

    limits: RateLimits
    token: str | None = field(default=None, repr=False)

    def is_one(self, request: Request) -> bool:
        """True where the caller is this host itself, a trusted source, or has the token."""
        is_direct = not any(request.header(name) for name in _PROXIES_SAY)
        return (
            self.limits.is_trusted(request.address)
            or (is_direct and is_one_of(request.address, _THIS_HOST))
            or self._shows_the_token(request)
        )

    def check(self, request: Request) -> None:
        """Let a watcher pass; count anybody else as a stranger.

        Raises:
            Unauthenticated: it is none.
            TooMany: it has asked too often.
        """
        if not self.is_one(request):
            self.limits.stranger(request.address)
            raise Unauthenticated("This is for the host itself, trusted sources, and callers with the metrics token.")

    def _shows_the_token(self, request: Request) -> bool:
        scheme, _, shown = request.header("Authorization").partition(" ")
        if self.token is None or scheme.lower() != "bearer":
            return False
        return hmac.compare_digest(self.token.encode(), shown.strip().encode("utf-8", "surrogatepass"))
