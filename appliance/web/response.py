"""HTTP response as a value that handlers return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http.cookies import SimpleCookie
from typing import TypeVar

_Response = TypeVar("_Response", bound="Response")


@dataclass(frozen=True)
class Response:
    """An HTTP response, without the common headers.

    Attributes:
        headers: values by name, without Set-Cookie.
        cookies: values of the Set-Cookie headers, by the cookie's name.
    """

    body: bytes = field(default=b"", repr=False)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict, repr=False)

    def with_header(self: _Response, name: str, value: str) -> _Response:
        """Add a header."""
        return replace(self, headers={**self.headers, name: value})

    def with_cookie(
        self: _Response, name: str, value: str, *, seconds: int | None = None, path: str = "/"
    ) -> _Response:
        """Add a cookie that scripts can't read, and that browsers send only to this host, over TLS.

        Args:
            seconds: lifetime in the browser; None: until the browser ends.
            path: of the pages that browsers send it to, with everything below.
        """
        return self._with_cookie(name, value, path, {} if seconds is None else {"max-age": str(seconds)})

    def without_cookie(self: _Response, name: str, *, path: str = "/") -> _Response:
        """Add a header that makes the browser drop a cookie of this path."""
        return self._with_cookie(name, "", path, {"max-age": "-1", "expires": "Thu, 01 Jan 1970 00:00:00 GMT"})

    def _with_cookie(self: _Response, name: str, value: str, path: str, limits: Mapping[str, str]) -> _Response:
        cookie = SimpleCookie({name: value})[name]
        cookie.update({**limits, "path": path, "secure": "true", "httponly": "true", "samesite": "lax"})
        return replace(self, cookies={**self.cookies, name: cookie.OutputString()})
