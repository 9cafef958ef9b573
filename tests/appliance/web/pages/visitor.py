"""A browser without a screen: calls the WSGI application, keeps cookies, fills in the forms of received pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http.cookies import Morsel, SimpleCookie
from urllib.parse import urlencode

import httpx

from harness.client.page import Page
from tests.appliance.members import PASSWORD
from tests.appliance.web.client import call


@dataclass(frozen=True)
class Answer:
    """Answer to a request."""

    status: int
    headers: httpx.Headers
    cookies: dict[str, Morsel[str]]
    body: bytes

    @property
    def text(self) -> str:
        """Returns the body as text."""
        return self.body.decode("utf-8")

    @cached_property
    def page(self) -> Page:
        """Returns the body as a page, which is read once."""
        return Page(self.text)


@dataclass
class Visitor:
    """A person at a browser.

    Attributes:
        answer: the last one, whose forms can be sent.
    """

    app: Callable[..., Iterable[bytes]]
    address: str = "192.0.2.1"
    cookies: dict[str, str] = field(default_factory=dict)
    answer: Answer = field(default_factory=lambda: Answer(0, httpx.Headers(), {}, b""))

    def get(self, path: str) -> Answer:
        """Opens a page."""
        return self.ask("GET", path)

    def post(self, path: str, fields: dict[str, str] | None = None) -> Answer:
        """Sends fields without a form."""
        return self.ask("POST", path, urlencode(fields or {}).encode())

    def send(self, action: str, /, *, to: str | None = None, **fields: str) -> Answer:
        """Fills in and sends the last page's form with this action (`to`: the target of another button)."""
        return self.post(to or action, self.answer.page.forms[action] | fields)

    def ask(self, method: str, path: str, data: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """Sends a request."""
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        found = call(
            self.app,
            method,
            path,
            raw=data,
            form=True,
            headers={"Cookie": cookies, **(headers or {})},
            address=self.address,
            site="https://hub.example.net",
        )
        set_cookies: dict[str, Morsel[str]] = {}
        for value in found.headers.get_list("set-cookie"):
            set_cookies.update(SimpleCookie(value))
        for name, morsel in set_cookies.items():
            if morsel["max-age"] in ("0", "-1", 0, -1):
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = morsel.value
        self.answer = Answer(found.status, found.headers, set_cookies, found.data)
        return self.answer

    def sign_up(self, email: str = "asha@example.net", organization: str = "Acme Networks") -> Answer:
        """Signs up a new organization."""
        self.get("/signup")
        answer = self.send("/signup", email=email, password=PASSWORD, organization=organization, network="")
        assert answer.status == 303, answer.text
        return answer

    def log_in(self, email: str, password: str = PASSWORD, path: str = "/login") -> Answer:
        """Opens a new session."""
        self.get(path)
        return self.send("/login", email=email, password=password)

    def add_machine(self, name: str, **fields: str) -> Answer:
        """Adds a machine; the answer is its configuration."""
        self.get("/machines")
        return self.send("/machines", name=name, **fields)

    def add_rule(self, **fields: str) -> Answer:
        """Adds a rule."""
        self.get("/policy")
        return self.send("/policy/rules", **fields)


def filled_in(visitor: Visitor, path: str, action: str, /, **typed: str) -> Callable[[], Answer]:
    """Returns a function that sends the form of that page, again with each call."""
    visitor.get(path)
    fields = visitor.answer.page.forms[action] | typed
    return lambda: visitor.post(action, fields)
