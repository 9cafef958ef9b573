"""Sign-up, log-in and log-out, and their protection."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appliance.model.organization import Role
from appliance.service import accounts
from appliance.web.pages.forms import FORM_COOKIE
from appliance.web.pages.routes import is_local
from appliance.web.payers import owners_of
from appliance.web.request import COOKIE
from appliance.web.site import Site
from tests.appliance.fakes import FakeHub
from tests.appliance.members import PASSWORD
from tests.appliance.web.pages.visitor import Visitor


def test_the_front_page_states_exactly_what_is_encrypted(stranger: Visitor) -> None:
    text = " ".join(stranger.get("/").page.text.split())
    assert "WireGuard encrypts each leg" in text
    assert "sees the inner packet for as long as it takes to decide" in text
    assert "Nothing stores it and nothing copies it" in text
    assert "end to end" not in text
    assert "₹349" in text


def test_sign_up_leads_to_the_machines(stranger: Visitor) -> None:
    answer = stranger.sign_up(organization="Acme Networks")
    assert answer.headers["location"] == "/machines"
    assert "Acme Networks" in stranger.get("/machines").page.text


def test_the_session_cookie_is_for_this_host_and_no_script(stranger: Visitor) -> None:
    cookie = stranger.sign_up().cookies[COOKIE]
    assert COOKIE.startswith("__Host-")
    assert cookie["secure"]
    assert cookie["httponly"]
    assert cookie["samesite"].lower() == "lax"
    assert cookie["path"] == "/"
    assert not cookie["domain"]
    assert int(cookie["max-age"]) > 0


def test_the_cookie_of_a_form_ends_with_the_browser(stranger: Visitor) -> None:
    cookie = stranger.get("/signup").cookies[FORM_COOKIE]
    assert cookie["max-age"] == cookie["expires"] == ""


def test_a_refused_form_keeps_its_input_except_the_password(stranger: Visitor) -> None:
    stranger.get("/signup")
    answer = stranger.send("/signup", email="nobody", password="a secret phrase", organization="A & B", network="")
    assert answer.status == 422
    fields = {each["name"]: each for each in answer.page.all("input")}
    assert fields["email"]["value"] == "nobody"
    assert fields["email"]["aria-invalid"] == "true"
    assert fields["organization"]["value"] == "A & B"
    assert "a secret phrase" not in answer.text
    assert "This is not an e-mail address." in answer.page.text


def test_a_taken_address_is_shown_beside_its_field(owner: Visitor, stranger: Visitor) -> None:
    stranger.get("/signup")
    answer = stranger.send(
        "/signup", email="asha@example.net", password="long enough, surely", organization="B", network=""
    )
    assert answer.status == 409
    assert "has an account already" in answer.page.text
    assert COOKIE in owner.cookies
    assert COOKIE not in stranger.cookies


def test_sign_up_is_refused_without_the_hub(stranger: Visitor, hub: FakeHub) -> None:
    hub.refuses = True
    stranger.get("/signup")
    answer = stranger.send(
        "/signup", email="a@example.net", password="long enough, surely", organization="B", network=""
    )
    assert answer.status == 503
    assert 'role="alert"' in answer.text


def test_a_log_in_makes_a_new_session_and_ends_the_old_one(owner: Visitor) -> None:
    before = owner.cookies[COOKIE]
    guest = Visitor(owner.app)
    guest.get("/login")
    # A browser that holds a session and logs in through a page that was open before.
    guest.cookies[COOKIE] = before
    guest.send("/login", email="asha@example.net", password=PASSWORD)
    after = guest.cookies[COOKIE]
    assert after != before
    assert owner.get("/machines").status == 303


def test_a_refused_log_in_names_neither_address_nor_password(owner: Visitor, stranger: Visitor) -> None:
    texts = []
    for email in ("asha@example.net", "nobody@example.net"):
        answer = stranger.log_in(email, "wrong password")
        assert answer.status == 401
        texts.append(answer.page.text)
    assert texts[0] == texts[1]
    assert owner.get("/machines").status == 200


def test_log_out_ends_the_session_and_not_only_the_cookie(owner: Visitor) -> None:
    token = owner.cookies[COOKIE]
    owner.get("/machines")
    answer = owner.send("/logout")
    assert answer.status == 303
    assert COOKIE not in owner.cookies
    owner.cookies[COOKIE] = token
    assert owner.get("/machines").headers["location"] == "/login"


def test_a_log_in_leads_back_to_the_page_that_was_asked_for(owner: Visitor, stranger: Visitor) -> None:
    assert owner.get("/audit").status == 200
    answer = stranger.get("/audit?before=7")
    assert answer.status == 303
    assert answer.headers["location"] == "/login?next=/audit%3Fbefore%3D7"
    assert stranger.log_in("asha@example.net", path=answer.headers["location"]).headers["location"] == "/audit?before=7"


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/\t/evil",
    ],
)
def test_a_log_in_never_redirects_to_another_site(owner: Visitor, stranger: Visitor, address: str) -> None:
    assert owner.get(f"/login?next={quote(address)}").headers["location"] == "/machines"
    stranger.get("/login")
    answer = stranger.send("/login", email="asha@example.net", password=PASSWORD, next=address)
    assert answer.headers["location"] == "/machines"


@given(st.text(alphabet="/\\:.?#@ \t\nevil%"))
@example("/evil/evil?evil=%2e")
def test_a_local_path_never_begins_another_address(path: str) -> None:
    if is_local(path):
        assert path.startswith("/")
        assert not path.startswith(("//", "/\\"))
        assert not set(path) & set("\\ \t\n:@#")


def test_sign_up_and_log_in_need_a_csrf_token(stranger: Visitor) -> None:
    stranger.get("/signup")
    good = stranger.cookies[FORM_COOKIE]
    fields = {"email": "a@example.net", "password": "long enough, surely", "organization": "A"}
    fields["once"] = stranger.answer.page.forms["/signup"]["once"]
    for path in ("/signup", "/login"):
        for cookie, shown in ((good, None), (good, "wrong"), (None, good), ("", "")):
            visitor = Visitor(stranger.app, cookies={} if cookie is None else {FORM_COOKIE: cookie})
            answer = visitor.post(path, fields | ({} if shown is None else {"csrf": shown}))
            assert answer.status == 403, (path, cookie, shown)
            assert answer.headers["content-type"].startswith("text/html")


def test_too_many_guesses_get_a_page_with_the_waiting_time(owner: Visitor, stranger: Visitor) -> None:
    for _ in range(5):
        assert stranger.log_in("asha@example.net", "wrong password").status == 401
    answer = stranger.log_in("asha@example.net")
    assert answer.status == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert "Try again in" in answer.page.text
    assert COOKIE not in stranger.cookies
    assert owner.get("/machines").status == 200


def test_too_many_sign_ups_get_a_page_with_the_waiting_time(stranger: Visitor, site: Site) -> None:
    for _ in range(20):
        site.limits.sign_up(stranger.address)
    stranger.get("/signup")
    answer = stranger.send(
        "/signup", email="a@example.net", password="long enough, surely", organization="A", network=""
    )
    assert answer.status == 429
    assert int(answer.headers["retry-after"]) > 0


def test_too_many_changes_get_a_page_with_the_waiting_time(owner: Visitor, site: Site) -> None:
    organization = accounts.actor_of(site.context, owner.cookies[COOKIE]).organization_id
    for _ in range(300):
        site.limits.write(owner.address, owners_of(organization), organization)
    answer = owner.add_machine("late")
    assert answer.status == 429
    assert int(answer.headers["retry-after"]) > 0
    assert "Too many" in answer.page.text
    (name,) = (each for each in answer.page.all("input") if each.get("name") == "name")
    assert name["value"] == "late"


def test_roles_see_the_forms_that_they_may_use(colleague: Callable[[Role], Visitor]) -> None:
    viewer, admin = colleague(Role.VIEWER), colleague(Role.ADMIN)
    for path in ("/machines", "/policy", "/settings", "/audit", "/usage"):
        answer = viewer.get(path)
        assert answer.status == 200
        assert set(answer.page.forms) <= {"/logout", "/policy/check"}
    assert "/machines" in admin.get("/machines").page.forms
    assert "/settings/plan" not in admin.get("/settings").page.forms
