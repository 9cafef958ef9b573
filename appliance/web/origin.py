"""Check of a change's origin: a change from a page of another site is refused before anything else.

Together with the CSRF tokens this is a second, independent defence. Programs with a bearer token are exempt, since no
other site can make them send a request.

Source: Fetch Metadata (W3C), the Origin header (RFC 6454).
"""

from __future__ import annotations

from urllib.parse import urlsplit

from appliance.model.errors import Forbidden
from appliance.web.request import Request

# Values for our own pages, and for an address that somebody typed.
_OURS = frozenset({"same-origin", "none"})
_HTTPS = 443


def check(site: str, request: Request) -> None:
    """Refuse a change if the browser's headers say that it comes from another site.

    Args:
        site: public URL of the pages; behind a proxy, requests may carry another host name.

    Raises:
        Forbidden: it comes from another site.
    """
    if request.is_safe or not request.is_by_cookie:
        return
    check_fetched(request)
    origin = request.headers.get("origin")
    if origin is None:
        return
    asked_of = f"https://{request.header('Host')}"
    came_from = _authority(origin)
    if came_from is None or came_from not in (_authority(site), _authority(asked_of)):
        raise _foreign()


def check_fetched(request: Request) -> None:
    """Refuse a request if the browser says that it comes from another site; raises `Forbidden`."""
    if request.headers.get("sec-fetch-site", "none") not in _OURS:
        raise _foreign()


def _authority(url: str) -> tuple[str, int] | None:
    """Host and port of an HTTPS URL; None for any other."""
    try:
        parts = urlsplit(url)
        port = parts.port or _HTTPS
    except ValueError:
        return None
    return (parts.hostname, port) if parts.scheme == "https" and parts.hostname else None


def _foreign() -> Forbidden:
    return Forbidden("This change was asked for by a page of another site.")
