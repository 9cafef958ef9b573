"""The HTTP response as a value that handlers give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http.cookies import SimpleCookie
from typing import TypeVar

_Response = TypeVar("_Response", bound="Response")


@dataclass(frozen=True)
class Response:
    """An HTTP response, without what holds for every one.

    Attributes:
        headers: by name, without those that set cookies.
        cookies: values of the Set-Cookie headers, by the cookie's name.
    """

    body: bytes = field(default=b"", repr=False)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict, repr=False)

    def with_header(self: _Response, name: str, value: str) -> _Response:
        """This response with a header."""
        return replace(self, headers={**self.headers, name: value})

    def with_cookie(self: _Response, name: str, value: str, *, seconds: int | None = None) -> _Response:
        """This response with a cookie that scripts can't read and that only this host gets back, over TLS.

        Args:
            seconds: time that the browser keeps it; None: until the browser ends.
        """
        return self._with_cookie(name, value, {} if seconds is None else {"max-age": str(seconds)})

    def without_cookie(self: _Response, name: str) -> _Response:
        """This response, which has the browser drop a cookie."""
        return self._with_cookie(name, "", {"max-age": "-1", "expires": "Thu, 01 Jan 1970 00:00:00 GMT"})

    def _with_cookie(self: _Response, name: str, value: str, limits: Mapping[str, str]) -> _Response:
        cookie = SimpleCookie({name: value})[name]
        cookie.update({**limits, "path": "/", "secure": "true", "httponly": "true", "samesite": "lax"})
        return replace(self, cookies={**self.cookies, name: cookie.OutputString()})
