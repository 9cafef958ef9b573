"""The page and the call of the sign-up, in each of the operator's modes."""

from __future__ import annotations

from dataclasses import replace

import bottle
import pytest

from appliance.model.sign_up import SignUpMode
from appliance.service import permits
from appliance.web.app import make_app
from appliance.web.rates import SIGN_UPS
from appliance.web.site import Site
from tests.appliance.fakes import FakeHub
from tests.appliance.letterbox import delivered
from tests.appliance.members import PASSWORD
from tests.appliance.service.test_permits import token_of
from tests.appliance.web.client import call
from tests.appliance.web.pages.visitor import Visitor

BODY = {"email": "a@example.net", "password": PASSWORD, "organization": "acme"}


def in_mode(site: Site, mode: SignUpMode) -> Site:
    return replace(site, context=replace(site.context, sign_up=mode, sends_mail=True))


@pytest.mark.parametrize("mode", [SignUpMode.INVITED, SignUpMode.CLOSED])
def test_a_page_without_a_permit_explains_the_missing_form(site: Site, hub: FakeHub, mode: SignUpMode) -> None:
    visitor = Visitor(make_app(in_mode(site, mode), hub.status))
    page = visitor.get("/signup")
    assert page.status == 403
    assert str(mode.explanation) in page.text
    assert "<form" not in page.text


@pytest.mark.parametrize("mode", [SignUpMode.VERIFIED, SignUpMode.INVITED, SignUpMode.CLOSED])
def test_a_call_without_a_permit_is_refused(site: Site, hub: FakeHub, mode: SignUpMode) -> None:
    answer = call(make_app(in_mode(site, mode), hub.status), "POST", "/api/v1/signup", BODY)
    assert answer.status == 403
    assert answer.json["type"] == "urn:meshwg:problem:sign-up-not-open"
    assert answer.json["detail"] == str(mode.explanation)
    assert not hub.enforced


def test_a_letter_s_link_opens_the_form(site: Site, hub: FakeHub) -> None:
    verified = in_mode(site, SignUpMode.VERIFIED)
    visitor = Visitor(make_app(verified, hub.status))
    visitor.get("/signup")
    sent = visitor.send("/signup/letter", email="a@example.net")
    assert sent.status == 200
    assert "on its way" in sent.text
    (letter,) = delivered(verified.context)
    token = token_of(letter.text)
    page = visitor.get(f"/signup?link={token}")
    assert 'value="a@example.net"' in page.text
    assert token in page.text
    entered = visitor.send("/signup", email="a@example.net", password=PASSWORD, organization="acme")
    assert (entered.status, entered.headers["location"]) == (303, "/machines")
    assert visitor.get(f"/signup?link={token}").status == 303
    assert Visitor(make_app(verified, hub.status)).get(f"/signup?link={token}").status == 404


def test_a_request_for_a_letter_tells_nothing_and_is_limited(site: Site, hub: FakeHub) -> None:
    app = make_app(in_mode(site, SignUpMode.VERIFIED), hub.status)
    Visitor(app)
    answers = [call(app, "POST", "/api/v1/signup/letters", {"email": "a@example.net"}).status for _ in range(5)]
    assert answers == [204, 204, 204, 429, 429]
    assert call(app, "POST", "/api/v1/signup/letters", {"email": "nobody"}).status == 422


def test_a_request_beyond_the_unused_links_is_counted(
    site: Site, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.service.permits.MOST", 1)
    app = make_app(in_mode(site, SignUpMode.VERIFIED), hub.status)
    Visitor(app)
    answers = [call(app, "POST", "/api/v1/signup/letters", {"email": f"{each}@example.net"}) for each in "ab"]
    assert [(each.status, each.headers.get("Retry-After")) for each in answers] == [(204, None), (429, "3600")]
    assert site.limits.refused == {("unused-sign-up-links", "everybody"): 1}


def test_an_invitation_opens_the_form(site: Site, hub: FakeHub) -> None:
    invited = in_mode(site, SignUpMode.INVITED)
    app = make_app(invited, hub.status)
    token = token_of(permits.invite(invited.context))
    assert Visitor(app).get(f"/signup?link={token}").status == 200
    answer = call(app, "POST", "/api/v1/signup", {**BODY, "link": token})
    assert answer.status == 201
    assert call(app, "POST", "/api/v1/signup", {**BODY, "link": token}).status == 404


def try_in_vain(app: bottle.Bottle, path: str, body: dict[str, str], crowd: str) -> set[int]:
    """Calls from different addresses, as often as everybody together may sign up; returns the statuses."""
    everybody, one = SIGN_UPS.everybody[0].amount, SIGN_UPS.one[0].amount
    return {call(app, "POST", path, body, address=f"{crowd}.{number // one}").status for number in range(everybody)}


@pytest.mark.long
@pytest.mark.parametrize("mode", [SignUpMode.VERIFIED, SignUpMode.INVITED])
def test_calls_without_a_good_link_keep_nobody_out(site: Site, hub: FakeHub, mode: SignUpMode) -> None:
    limited = in_mode(site, mode)
    app = make_app(limited, hub.status)
    assert try_in_vain(app, "/api/v1/signup", BODY, "192.0.2") == {403}
    assert try_in_vain(app, "/api/v1/signup", {**BODY, "link": "guessed"}, "198.51.100") == {404}
    guessed = {"token": "guessed", "password": PASSWORD}
    assert try_in_vain(app, "/api/v1/invitations/accept", guessed, "203.0.113") == {404}
    if mode is SignUpMode.VERIFIED:
        permits.ask(limited.context, "a@example.net")
        (letter,) = delivered(limited.context)
        token = token_of(letter.text)
    else:
        token = token_of(permits.invite(limited.context))
    good = {**BODY, "link": token}
    assert call(app, "POST", "/api/v1/signup", good, address="198.51.100.99").status == 201


def test_guessed_links_are_limited_for_their_address(site: Site, hub: FakeHub) -> None:
    invited = in_mode(site, SignUpMode.INVITED)
    app = make_app(invited, hub.status)
    guessed = {**BODY, "link": "guessed"}
    statuses = [call(app, "POST", "/api/v1/signup", guessed).status for _ in range(SIGN_UPS.one[0].amount + 1)]
    assert (set(statuses[:-1]), statuses[-1]) == ({404}, 429)
    good = {**BODY, "link": token_of(permits.invite(invited.context))}
    assert call(app, "POST", "/api/v1/signup", good).status == 429
    assert call(app, "POST", "/api/v1/signup", good, address="198.51.100.8").status == 201


def test_a_crowd_keeps_nobody_out_who_is_invited(site: Site, hub: FakeHub) -> None:
    """Uses up what everybody may sign up where it is open: links of the operator and of owners work all the same."""
    app = make_app(site, hub.status)
    token = call(app, "POST", "/api/v1/signup", BODY).json["token"]
    colleague = {"email": "b@example.net", "role": "viewer"}
    link = call(app, "POST", "/api/v1/invitations", colleague, token=token).json["link"]
    for number in range(SIGN_UPS.everybody[0].amount - 1):
        site.limits.sign_up(f"203.0.113.{number % 100}")
    other = {**BODY, "email": "c@example.net"}
    assert call(app, "POST", "/api/v1/signup", other).status == 429
    joined = call(app, "POST", "/api/v1/invitations/accept", {"token": link.rpartition("/")[2], "password": PASSWORD})
    assert joined.status < 300
    invitation = token_of(permits.invite(site.context))
    assert call(app, "POST", "/api/v1/signup", {**other, "link": invitation}).status == 201


def test_a_letter_s_link_counts_once_for_everybody(site: Site, hub: FakeHub) -> None:
    """Leaves two sign-ups to everybody; then one link is tried with bad input from many addresses."""
    verified = in_mode(site, SignUpMode.VERIFIED)
    app = make_app(verified, hub.status)
    links = {}
    for email in ("a@example.net", "b@example.net", "c@example.net"):
        permits.ask(verified.context, email)
        (letter,) = delivered(verified.context)
        links[email] = {**BODY, "email": email, "link": token_of(letter.text)}
    for number in range(SIGN_UPS.everybody[0].amount - 2):
        site.limits.sign_up(f"203.0.113.{number % 100}")
    bad = {**links["a@example.net"], "password": "short"}
    tried = [call(app, "POST", "/api/v1/signup", bad, address=f"198.51.100.{number}").status for number in range(5)]
    assert tried == [422] * 5
    assert call(app, "POST", "/api/v1/signup", links["b@example.net"]).status == 201
    for _ in range(2):
        assert call(app, "POST", "/api/v1/signup", links["c@example.net"]).status == 429
    assert call(app, "POST", "/api/v1/signup", links["a@example.net"]).status == 201


def test_guesses_with_a_letter_s_link_are_limited_for_an_address(site: Site, hub: FakeHub) -> None:
    verified = in_mode(site, SignUpMode.VERIFIED)
    app = make_app(verified, hub.status)
    permits.ask(verified.context, "a@example.net")
    (letter,) = delivered(verified.context)
    bad = {**BODY, "password": "short", "link": token_of(letter.text)}
    statuses = [call(app, "POST", "/api/v1/signup", bad).status for _ in range(SIGN_UPS.one[0].amount + 1)]
    assert (set(statuses[:-1]), statuses[-1]) == ({422}, 429)


def test_a_full_service_admits_trusted_sources_only(site: Site, hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.service.unused.MOST", 1)
    app = make_app(site, hub.status)
    assert call(app, "POST", "/api/v1/signup", BODY).status == 201
    answer = call(app, "POST", "/api/v1/signup", {**BODY, "email": "b@example.net"})
    assert answer.status == 429
    assert answer.headers["Retry-After"]


WARNING = "Many home networks have addresses of this range"


def test_a_range_common_in_homes_is_accepted_with_a_warning(site: Site, hub: FakeHub) -> None:
    visitor = Visitor(make_app(site, hub.status))
    visitor.get("/signup")
    fields = {"email": "a@example.net", "password": PASSWORD, "organization": "acme"}
    assert visitor.send("/signup", **fields, network="192.168.1.0/24").status == 303
    for path in ("/machines", "/settings"):
        assert WARNING in visitor.get(path).page.text
    # Once there are machines, it is no news, and there is something to lose.
    assert visitor.add_machine("first").status == 200
    assert WARNING not in visitor.get("/machines").page.text
    assert WARNING in visitor.get("/settings").page.text


def test_another_range_is_accepted_without_a_warning(site: Site, hub: FakeHub) -> None:
    visitor = Visitor(make_app(site, hub.status))
    visitor.sign_up()
    for path in ("/machines", "/settings"):
        assert WARNING not in visitor.get(path).page.text


def test_the_api_warns_of_a_range_common_in_homes(site: Site, hub: FakeHub) -> None:
    app = make_app(site, hub.status)
    answer = call(app, "POST", "/api/v1/signup", {**BODY, "network": "192.168.0.0/24"})
    assert answer.status == 201
    (warning,) = answer.json["organization"]["warnings"]
    assert warning.startswith(WARNING)
    other = call(app, "POST", "/api/v1/signup", {**BODY, "email": "b@example.net"})
    assert "warnings" not in other.json["organization"]


@pytest.mark.parametrize("network", ["10.0.0.0/255.0.0.0", "10.0.0.0/0.255.255.255", "10.0.0.0/08", "10.0.0.0/8\n", ""])
def test_a_range_is_an_address_and_a_prefix_length(site: Site, hub: FakeHub, network: str) -> None:
    answer = call(make_app(site, hub.status), "POST", "/api/v1/signup", {**BODY, "network": network})
    assert (answer.status, answer.json["field"]) == (422, "network")
    assert not hub.enforced
