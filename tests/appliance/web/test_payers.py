"""Payers of requests, and the exhaustion of their shares."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from appliance.model.errors import TooMany
from appliance.model.organization import Role
from appliance.service import Actor, Context, api_tokens, operator_sessions, sessions
from appliance.service import log_in as login
from appliance.service.sessions import NOWHERE
from appliance.store import operators as stored
from appliance.store import times
from appliance.store.operators import Operator
from appliance.web.app import make_app
from appliance.web.payers import KNOWN_S, Payers, owners_of
from appliance.web.request import COOKIE, OPERATOR_COOKIE, PAYER, Payer, Request
from appliance.web.turns import NOBODY
from tests.appliance.clocks import Clock
from tests.appliance.fakes import FakeHub
from tests.appliance.members import PASSWORD, join, sign_in
from tests.appliance.sites import make_site
from tests.appliance.web.client import call

OFFICE = ip_network("198.51.100.0/24")


def environ(address: str = "203.0.113.9", **headers: str) -> dict[str, Any]:
    """Makes the head of a call of the API."""
    call = {"REMOTE_ADDR": address, "PATH_INFO": "/api/v1/machines"}
    return {**call, **{f"HTTP_{name.upper()}": value for name, value in headers.items()}}


def answer(
    payers: Payers, asked: dict[str, Any], organization: str = "", seconds: float = 0.0, *, is_owner: bool = False
) -> None:
    """Answers a request, and counts it for its payer."""
    caller = asked[PAYER] = payers.payer_of(asked)
    shares = (owners_of(organization), organization) if is_owner else (organization,)
    caller.shares = shares if organization else ()
    payers.used(asked, seconds)


BEARER = "Bearer mws_good"


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": BEARER},
        {"authorization": "bearer  mws_good "},
        {"cookie": "__Host-meshwg=mws_good"},
        {"cookie": "other=1; __Host-meshwg=mws_good; __Host-meshwg-done=saved"},
    ],
    ids=["bearer", "spaces", "cookie", "cookies"],
)
def test_a_valid_token_s_requests_are_paid_by_its_organization(headers: dict[str, str]) -> None:
    payers = Payers()
    assert payers.payer_of(environ(**headers)) == Payer("203.0.113.9")
    answer(payers, environ(authorization=BEARER), "acme")
    assert payers.payer_of(environ("192.0.2.77", **headers)) == Payer("acme")


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer mws_{}", "cookie": "__Host-meshwg=mws_good"},
        {"cookie": "__Host-meshwg=mws_{}; __Host-meshwg=mws_good"},
        {"cookie": 'a={{"{}":1}}; version={}; __Host-meshwg="mws_good"'},
    ],
    ids=["bearer", "twice", "quoted"],
)
def test_no_second_token_hides_the_payer_of_a_page(headers: dict[str, str]) -> None:
    """Sends a page's good cookie with another unknown token each time, which must not make it a stranger's."""
    payers = Payers(clock=Clock(1000.0))

    def page(number: int) -> dict[str, Any]:
        return environ(**{name: value.format(*[number] * 2) for name, value in headers.items()}) | {"PATH_INFO": "/map"}

    assert Request.head(page(1)).session_token == "mws_good"
    answer(payers, page(1), "acme", seconds=6)
    assert payers.payer_of(page(2)) == Payer("acme")
    with pytest.raises(TooMany):
        payers.check(payers.payer_of(page(3)))


def test_an_operator_pays_for_operators_pages_only() -> None:
    payers = Payers()
    both = environ(cookie="__Secure-meshwg-operator=mwo_good; __Host-meshwg=mws_good")
    answer(payers, both, "acme")
    page = both | {"PATH_INFO": "/operator/hub"}
    assert payers.payer_of(page) == Payer("203.0.113.9")
    answer(payers, page, "ops")
    assert payers.payer_of(page) == Payer("ops")
    assert payers.payer_of(both | {"PATH_INFO": "/operators"}) == Payer("acme")
    assert payers.payer_of(environ(authorization="Bearer mwo_good") | {"PATH_INFO": "/operator"}).name == "203.0.113.9"


@pytest.mark.parametrize("shown", ["Bearer mws_bad", "Basic mws_good", "Bearer ", ""])
def test_an_unverified_token_s_requests_are_paid_by_its_address(shown: str) -> None:
    payers = Payers()
    answer(payers, environ(authorization=BEARER), "acme")
    answer(payers, environ(authorization=shown))
    assert payers.payer_of(environ("2001:db8:1:2::3", authorization=shown)) == Payer("2001:db8:1::/48")


def test_trusted_addresses_have_no_payer() -> None:
    payers = Payers((OFFICE,))
    assert payers.payer_of(environ("203.0.113.1", x_forwarded_for="198.51.100.7")) == Payer("203.0.113.1")
    assert payers.payer_of(environ("198.51.100.7")) == Payer(NOBODY)


def test_only_the_payer_that_used_up_its_share_waits() -> None:
    clock = Clock(1000.0)
    payers = Payers(clock=clock)
    asked = environ(authorization=BEARER)
    answer(payers, asked, "acme", seconds=1.9)
    payers.check(payers.payer_of(asked))
    answer(payers, asked, "acme", seconds=2.1)
    with pytest.raises(TooMany) as refused:
        payers.check(payers.payer_of(asked))
    assert refused.value.retry_after == 9
    payers.check(payers.payer_of(environ()))
    clock.now += 9
    payers.check(payers.payer_of(asked))


def test_owners_wait_for_nobody_else_of_their_organization() -> None:
    """Has a member use up the organization's share, and then an owner theirs, which counts for both."""
    clock = Clock(1000.0)
    payers, member, owner = Payers(clock=clock), environ(authorization=BEARER), environ(authorization="Bearer mws_own")
    answer(payers, member, "acme", seconds=6)
    answer(payers, owner, "acme", is_owner=True)
    with pytest.raises(TooMany):
        payers.check(payers.payer_of(member))
    payers.check(payers.payer_of(owner))
    assert (payers.share("acme"), payers.share(payers.payer_of(owner).name)) == (1, 4)
    clock.now += 24
    payers.check(payers.payer_of(member))
    answer(payers, owner, "acme", seconds=6, is_owner=True)
    for asked in (member, owner):
        with pytest.raises(TooMany):
            payers.check(payers.payer_of(asked))


def test_an_owner_s_session_alone_pays_apart(context: Context, hub: FakeHub, owner: Actor) -> None:
    """Sends requests to the service: an owner's token, and an admin's session, use the organization's share."""
    text = api_tokens.issue(context, owner, name="ci", scope="read", password=PASSWORD).text
    admin = join(context, owner.organization_id, Role.ADMIN)
    payers = Payers()
    for token, payer in (
        (sign_in(context, owner.member_id), owners_of(owner.organization_id)),
        (text, owner.organization_id),
        (admin, owner.organization_id),
    ):
        headers = {"Authorization": f"Bearer {token}"}
        assert answered(context, hub, payers, "/api/v1/machines", headers) == payer


def test_after_half_of_its_share_a_payer_has_one_thread() -> None:
    clock = Clock(1000.0)
    payers = Payers(clock=clock)
    asked = environ(authorization=BEARER)
    answer(payers, asked, "acme", seconds=0.9)
    assert payers.share("acme") == 4
    answer(payers, asked, "acme", seconds=0.2)
    assert (payers.share("acme"), payers.share("other"), payers.share(NOBODY)) == (1, 4, 4)
    clock.now += 1
    assert payers.share("acme") == 4


def test_a_token_s_first_request_is_paid_by_its_organization() -> None:
    payers = Payers(clock=Clock(1000.0))
    answer(payers, environ(authorization=BEARER), "acme", seconds=6)
    payers.check(payers.payer_of(environ()))
    with pytest.raises(TooMany):
        payers.check(Payer("acme"))


def test_long_answers_are_paid_except_by_trusted_addresses() -> None:
    payers = Payers((OFFICE,), clock=Clock(1000.0))
    long, trusted = environ(), environ("198.51.100.7")
    for asked in (long, trusted):
        asked[PAYER] = payers.payer_of(asked)
        payers.used(asked, 0.0, 600_000_000)
    with pytest.raises(TooMany):
        payers.check(payers.payer_of(long))
    payers.check(payers.payer_of(trusted))


def test_refused_requests_are_counted() -> None:
    payers = Payers()
    payers.note_turned_away(Payer("acme"), "waiting")
    payers.note_turned_away(Payer("acme"), "waiting")
    assert payers.turned_away == {"waiting": 2}


def answered(context: Context, hub: FakeHub, payers: Payers, path: str, headers: dict[str, str]) -> str:
    """Sends a request to the service; returns who pays for the next one like it."""
    app = make_app(make_site(context.store, hub), hub.status)
    seen: list[dict[str, Any]] = []

    def gateway(environ: dict[str, Any], start: Any) -> Any:
        environ[PAYER] = payers.payer_of(environ)
        answer = app(environ, start)
        payers.used(environ, 0.0)
        seen.append(environ)
        return answer

    call(gateway, "GET", path, headers=headers, address="203.0.113.9")
    return payers.payer_of(seen[0]).name


@pytest.mark.usefixtures("owner")
@pytest.mark.parametrize(
    "path", ["/api/v1/machines", "/machines", "/machines/live", "/operator", "/operator/runs/live"]
)
def test_a_token_that_holds_no_more_has_no_share(context: Context, hub: FakeHub, path: str) -> None:
    """A member or operator who was removed, and sends their token all the same, is a stranger from then on."""
    if path.startswith("/operator"):
        with context.store.write() as transaction:
            who = Operator("ops", "ops@example.net", times.now())
            stored.create(transaction, who)
            token = operator_sessions.begin(context, transaction, who, NOWHERE).token
        headers, end = {"Cookie": f"{OPERATOR_COOKIE}={token}"}, operator_sessions.log_out
    else:
        token = login.log_in(context, email="owner@example.net", password=PASSWORD).token
        is_call = path.startswith("/api/")
        headers = {"Authorization": f"Bearer {token}"} if is_call else {"Cookie": f"{COOKIE}={token}"}
        end = sessions.log_out
    payers = Payers()
    assert answered(context, hub, payers, path, headers) != "203.0.113.9"
    end(context, token)
    assert answered(context, hub, payers, path, headers) == "203.0.113.9"


def test_a_token_tells_its_organization_for_a_time() -> None:
    """Sends a token where nobody is authenticated, so that nothing tells whether it holds."""
    clock = Clock(1000.0)
    payers, asked = Payers(clock=clock), environ(authorization=BEARER)
    answer(payers, asked, "acme")
    clock.now += KNOWN_S - 1
    answer(payers, asked)
    assert payers.payer_of(asked) == Payer("acme")
    clock.now += 1
    assert payers.payer_of(asked) == Payer("203.0.113.9")
    answer(payers, asked, "acme")
    assert payers.payer_of(asked) == Payer("acme")
