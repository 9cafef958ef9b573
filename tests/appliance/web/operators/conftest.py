"""A site with a fake hub, an organization, and an operator's browser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import bottle
import pyotp
import pytest

from appliance.service import Context, operators
from appliance.store import Store
from appliance.web.site import Site
from tests.appliance.clocks import WallClock
from tests.appliance.fakes import FakeHub
from tests.appliance.members import OPERATORS_PASSWORD
from tests.appliance.sites import site_of
from tests.appliance.web.pages.visitor import Answer, Visitor

EMAIL = "ops@example.net"


@dataclass
class Operator(Visitor):
    """An operator at a browser, with an authenticator."""

    clock: WallClock = field(default_factory=WallClock)
    phone: pyotp.TOTP = field(default_factory=lambda: pyotp.TOTP(pyotp.random_base32()))
    codes: list[str] = field(default_factory=list)

    def join(self, link: str) -> Answer:
        """Sets password and second factor up with a link."""
        path = link.partition("//")[2].partition("/")[2]
        self.get(f"/{path}")
        page = self.send(f"/{path}", password=OPERATORS_PASSWORD).page
        self.phone = pyotp.TOTP(next(word for word in page.text.split() if len(word) == 32 and word.isupper()))
        answer = self.send(f"/{path}/enrol", code=self.phone.at(self.clock.now))
        self.codes = [word for word in answer.page.text.split() if word.count("-") == 3]
        return answer

    def act(self, action: str, code: str | None = None, **fields: str) -> Answer:
        """Opens the organization's page and sends a form of it with a fresh code, unless another one is given."""
        self.clock.wait()
        self.get(action.rpartition("/")[0])
        return self.send(action, code=self.phone.at(self.clock.now) if code is None else code, **fields)

    def enter(self, code: str | None = None, email: str = EMAIL, password: str = OPERATORS_PASSWORD) -> Answer:
        """Signs in with a fresh code, unless another one is given."""
        self.clock.wait()
        self.get("/operator/login")
        return self.send(
            "/operator/login",
            email=email,
            password=password,
            code=self.phone.at(self.clock.now) if code is None else code,
        )


@pytest.fixture
def context(store: Store, hub: FakeHub, clock: WallClock) -> Context:
    return Context(store, hub, "vpn.example.net:51820", "https://hub.example.net", clock=clock)


@pytest.fixture
def site(context: Context) -> Site:
    return site_of(context)


@pytest.fixture
def new_operator(app: bottle.Bottle, clock: WallClock) -> Callable[[], Operator]:
    """Returns a function that opens another browser."""
    return lambda: Operator(app, clock=clock)


@pytest.fixture
def operator(new_operator: Callable[[], Operator], context: Context) -> Operator:
    """Provides an operator who has just been set up."""
    made = new_operator()
    answer = made.join(operators.add(context, EMAIL))
    assert answer.status == 200, answer.text
    return made
