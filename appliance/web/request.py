"""The HTTP request as a value that is handed to whatever answers it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl

from appliance.model.errors import Refused
from appliance.store.sessions import ClientDevice

COOKIE = "__Host-meshwg"
"""Name of the cookie that holds a session's token."""

PAYER = "meshwg.payer"
"""Key of the request's `Payer` in the WSGI environment."""

REFUSED = "meshwg.refused"
"""Key in the WSGI environment of the refusal that the gateway met when it read the request, if it met one."""

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass
class Payer:
    """Organization or network that a request is counted for.

    Attributes:
        name: the one whose share the request takes.
        organization: the one that the request was authenticated for; empty until then.
    """

    name: str
    organization: str = ""


@dataclass(frozen=True)
class Request:
    """An HTTP request.

    Attributes:
        path: decoded, with one slash at its beginning.
        query_string: as it was sent, without the question mark.
        address: IP address of the caller. A proxy's word counts only where the operator trusts it (`proxies`).
        headers: values as they were sent, by the header's name in lower case.
        parameters: values of the variable parts of the route's path.
        payer: what the request is counted for; None where no gateway counts.
        refusal: refusal that the gateway met when it read the request.
    """

    method: str
    path: str
    query_string: str = field(default="", repr=False)
    address: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    payer: Payer | None = None
    refusal: Refused | None = None

    @classmethod
    def head(cls, environ: Mapping[str, Any]) -> Request:
        """Request without its body. Source: PEP 3333."""
        headers = {
            key.removeprefix("HTTP_").replace("_", "-").lower(): str(value)
            for key, value in environ.items()
            if key.startswith("HTTP_") or key == "CONTENT_TYPE"
        }
        return cls(
            str(environ.get("REQUEST_METHOD", "GET")),
            "/" + str(environ.get("PATH_INFO", "")).lstrip("/"),
            str(environ.get("QUERY_STRING", "")),
            str(environ.get("REMOTE_ADDR", "")),
            headers,
            payer=environ.get(PAYER),
            refusal=environ.get(REFUSED),
        )

    @classmethod
    def of(cls, environ: Mapping[str, Any], parameters: Mapping[str, str]) -> Request:
        """Whole request, whose body the gateway has in memory."""
        return replace(cls.head(environ), body=bytes(environ["wsgi.input"].read()), parameters=parameters)

    def header(self, name: str) -> str:
        """Value of a header, whatever bytes it has; empty where it was not sent."""
        return self.headers.get(name.lower(), "")

    @cached_property
    def cookies(self) -> Mapping[str, str]:
        """Values of cookies by name; none where the browser sent something unreadable."""
        try:
            return {name: morsel.value for name, morsel in SimpleCookie(self.header("Cookie")).items()}
        except CookieError:
            return {}

    @cached_property
    def query(self) -> Mapping[str, str]:
        """Parameters of the query string that are UTF-8; of one that comes twice, the last."""
        pairs = dict(parse_qsl(self.query_string, keep_blank_values=True, encoding="latin-1"))
        return {name: text for name, value in pairs.items() if (text := _utf8(value)) is not None}

    @property
    def content(self) -> bytes:
        """All that tells this request from another one, but for headers."""
        return "\0".join((self.method, self.path, self.query_string, "")).encode() + self.body

    @property
    def device(self) -> ClientDevice:
        """Caller's address and program, as far as it tells."""
        return ClientDevice(self.address, self.header("User-Agent"))

    @property
    def is_safe(self) -> bool:
        """True for methods that change nothing."""
        return self.method in _SAFE_METHODS

    @property
    def is_by_cookie(self) -> bool:
        """True where a browser vouches for the caller, which then must show that the page was ours."""
        return not self.header("Authorization").lower().startswith("bearer ")

    @property
    def session_token(self) -> str | None:
        """Token of the session cookie."""
        return self.cookies.get(COOKIE) or None

    @property
    def token(self) -> str | None:
        """Bearer token; without one, the session cookie's."""
        scheme, _, credentials = self.header("Authorization").partition(" ")
        return (credentials.strip() if scheme.lower() == "bearer" else "") or self.session_token


def _utf8(text: str) -> str | None:
    """Text whose characters are bytes of UTF-8, decoded; None where they are not."""
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return None
