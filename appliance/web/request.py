"""HTTP request as a value for handlers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

from appliance.model.errors import Malformed, Refused
from appliance.store.session_table import ClientDevice

COOKIE = "__Host-meshwg"
"""Name of the cookie that holds a session's token."""

OPERATOR_COOKIE = "__Secure-meshwg-operator"
"""Name of the cookie that holds an operator's token; browsers send it to operators' pages only."""

OPERATOR_PATH = "/operator"
"""Path of the operators' first page, and the begin of those of all others."""

API_PATH = "/api/"
"""Beginning of the paths of the API, which takes bearer tokens; pages take cookies alone."""

PAYER = "meshwg.payer"
"""Key of the request's `Payer` in the WSGI environment."""

REFUSED = "meshwg.refused"
"""Key in the WSGI environment of the gateway's refusal of the request, if there is one."""

MOST_COOKIES = 400
"""Most cookies of a request that are looked at; browsers keep about 180 for a site."""

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def is_for_operators(environ: Mapping[str, Any]) -> bool:
    """True for a request to operators' pages, whoever sends it."""
    return _is_operators("/" + str(environ.get("PATH_INFO", "")).lstrip("/"))


@dataclass(slots=True)
class Payer:
    """Organization, its owners, operator or network whose share a request uses.

    Attributes:
        name: id of the organization or the operator, `payers.owners_of` the organization, or the network.
        shares: names of those that the request was authenticated for and counts for, the first one as the payer of the
            next; empty until then.
        is_refused: True if the request has a token that does not hold, or not any more.
    """

    name: str
    shares: tuple[str, ...] = ()
    is_refused: bool = False


@dataclass(frozen=True)
class Request:
    """An HTTP request.

    Attributes:
        path: decoded, with one slash at its beginning.
        query_string: as sent, without the question mark.
        address: the client's IP address, also behind trusted proxies (`proxies`).
        headers: values as sent, by the header's name in lower case.
        parameters: values of the variable parts of the route's path.
        payer: organization, operator or network that the request counts for; None without a gateway.
        refusal: the gateway's refusal, if there is one.
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
        """Make a request without its body. Source: PEP 3333."""
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
        """Make a request with its body, which the gateway has read."""
        return replace(cls.head(environ), body=bytes(environ["wsgi.input"].read()), parameters=parameters)

    def header(self, name: str) -> str:
        """Get a header's value; empty if it was not sent."""
        return self.headers.get(name.lower(), "")

    @cached_property
    def cookies(self) -> Mapping[str, str]:
        """Values of cookies by name; the last one of several with the same name."""
        # Other applications of the same domain set cookies too. Python's parser gives up at the first unusual one.
        # A header has room for tens of thousands, and they are read before anybody pays for the request.
        pairs = (pair.partition("=") for pair in self.header("Cookie").split(";", MOST_COOKIES)[:MOST_COOKIES])
        return {name.strip(): _unquoted(value.strip()) for name, equals, value in pairs if equals}

    @cached_property
    def query(self) -> Mapping[str, str]:
        """Parameters of the query string; the last one of several with the same name.

        Raises:
            Malformed: one of them is not UTF-8.
        """
        pairs = parse_qsl(self.query_string, keep_blank_values=True, encoding="latin-1")
        return {name: _utf8(name, value) for name, value in pairs}

    @property
    def content(self) -> bytes:
        """Method, path, query string and body, which tell requests apart."""
        return "\0".join((self.method, self.path, self.query_string, "")).encode() + self.body

    @property
    def device(self) -> ClientDevice:
        """Caller's address and User-Agent."""
        return ClientDevice(self.address, self.header("User-Agent"))

    @property
    def is_safe(self) -> bool:
        """True for methods that change nothing."""
        return self.method in _SAFE_METHODS

    @property
    def is_by_cookie(self) -> bool:
        """True without a bearer token: a browser may have been led here by another site."""
        return not self._bearer_token

    @property
    def session_token(self) -> str | None:
        """Token of the session cookie; None without one."""
        return self.cookies.get(COOKIE) or None

    @property
    def token(self) -> str | None:
        """Bearer token; without one, the session cookie's."""
        return self._bearer_token or self.session_token

    @property
    def _bearer_token(self) -> str:
        """Token of the Authorization header; empty without one."""
        scheme, _, credentials = self.header("Authorization").partition(" ")
        return credentials.strip() if scheme.lower() == "bearer" else ""

    @property
    def credential(self) -> str | None:
        """Token that this path authenticates its caller by, valid or not; None without one."""
        if _is_operators(self.path):
            return self.cookies.get(OPERATOR_COOKIE) or None
        return self.token if self.path.startswith(API_PATH) else self.session_token


def _is_operators(path: str) -> bool:
    return path == OPERATOR_PATH or path.startswith(f"{OPERATOR_PATH}/")


def _unquoted(value: str) -> str:
    """Take off the quotation marks that a cookie's value may stand in. Source: RFC 6265, 4.1.1."""
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


def _utf8(name: str, value: str) -> str:
    """Decode a parameter whose characters are bytes of UTF-8; raises `Malformed` if they are not."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        raise Malformed("{name} is not UTF-8.", field=name, name=name) from None
