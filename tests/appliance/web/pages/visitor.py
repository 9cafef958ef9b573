"""A browser without a screen: calls the WSGI application, keeps cookies, fills in the forms that it was shown."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import Morsel, SimpleCookie
from typing import Any
from urllib.parse import urlencode

PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Answer:
    """Answer to a request."""

    status: int
    headers: dict[str, str]
    cookies: dict[str, Morsel[str]]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8")

    @property
    def page(self) -> Parsed:
        """The body as a page."""
        parsed = Parsed()
        parsed.feed(self.text)
        parsed.close()
        return parsed


class Parsed(HTMLParser):
    """A page: its elements, its forms with their hidden fields, its text."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.forms: dict[str, dict[str, str]] = {}
        self.text = ""
        self._hidden: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.elements.append((tag, attributes))
        if tag == "form":
            self._hidden = self.forms.setdefault(attributes["action"].partition("#")[0], {})
        elif tag == "input" and attributes.get("type") == "hidden":
            self._hidden[attributes["name"]] = attributes["value"]

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        """The attributes of every element of that name."""
        return [attributes for name, attributes in self.elements if name == tag]


@dataclass
class Visitor:
    """Somebody at a browser.

    Attributes:
        answer: the last one, whose forms can be sent.
    """

    app: Callable[..., Iterable[bytes]]
    address: str = "192.0.2.1"
    cookies: dict[str, str] = field(default_factory=dict)
    answer: Answer = field(default_factory=lambda: Answer(0, {}, {}, b""))

    def get(self, path: str) -> Answer:
        """Open a page."""
        return self.ask("GET", path)

    def post(self, path: str, fields: dict[str, str] | None = None) -> Answer:
        """Send fields without a form."""
        return self.ask("POST", path, urlencode(fields or {}).encode())

    def send(self, action: str, /, *, to: str | None = None, **fields: str) -> Answer:
        """Fill in and send the last page's form with this action (`to`: the target of another button)."""
        return self.post(to or action, self.answer.page.forms[action] | fields)

    def ask(self, method: str, path: str, data: bytes = b"", **environment: Any) -> Answer:
        """Send a request."""
        bare, _, query = path.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": bare,
            "QUERY_STRING": query,
            "SERVER_NAME": "hub.example.net",
            "SERVER_PORT": "443",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": self.address,
            "CONTENT_LENGTH": str(len(data)),
            "CONTENT_TYPE": "application/x-www-form-urlencoded",
            "HTTP_COOKIE": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
            "wsgi.input": io.BytesIO(data),
            "wsgi.errors": io.StringIO(),
            "wsgi.url_scheme": "https",
            **environment,
        }
        told: list[tuple[str, list[tuple[str, str]]]] = []
        body = b"".join(self.app(environ, lambda status, headers, _=None: told.append((status, headers))))
        status, headers = told[0]
        set_cookies: dict[str, Morsel[str]] = {}
        for name, value in headers:
            if name.lower() == "set-cookie":
                set_cookies.update(SimpleCookie(value))
        for name, morsel in set_cookies.items():
            if morsel["max-age"] in ("0", "-1", 0, -1):
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = morsel.value
        self.answer = Answer(int(status[:3]), {name.lower(): value for name, value in headers}, set_cookies, body)
        return self.answer

    def sign_up(self, email: str = "asha@example.net", organization: str = "Acme Networks") -> Answer:
        """A new organization, signed in."""
        self.get("/signup")
        answer = self.send("/signup", email=email, password=PASSWORD, organization=organization, network="")
        assert answer.status == 303, answer.text
        return answer

    def log_in(self, email: str, password: str = PASSWORD, path: str = "/login") -> Answer:
        """A new session."""
        self.get(path)
        return self.send("/login", email=email, password=password)

    def add_machine(self, name: str, **fields: str) -> Answer:
        """Add a machine; the answer is its configuration."""
        self.get("/machines")
        return self.send("/machines", name=name, **fields)

    def add_rule(self, **fields: str) -> Answer:
        """Add a rule."""
        self.get("/policy")
        return self.send("/policy/rules", **fields)
