"""Nothing under ``/operator`` answers without an operator's session but log-in and enrolment."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import bottle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.organization import Role
from appliance.service import Actor, Context, operators, tokens
from appliance.store import times
from appliance.web.operators import PAGES
from appliance.web.operators.visits import COOKIE, OperatorPage
from appliance.web.pages import forms
from appliance.web.request import COOKIE as MEMBERS_COOKIE
from tests.appliance.members import join
from tests.appliance.web.client import Response, call
from tests.appliance.web.operators.conftest import Operator
from tests.properties import sharing_fixtures

PUBLIC = {
    ("GET", "/operator/login"),
    ("POST", "/operator/login"),
    ("GET", "/operator/join/<token>"),
    ("POST", "/operator/join/<token>"),
    ("POST", "/operator/join/<token>/enrol"),
}


def name_of(page: OperatorPage) -> str:
    return f"{page.method} {page.path}"


def ask(
    app: bottle.Bottle, page: OperatorPage, organization: str, cookies: str, address: str = "198.51.100.7"
) -> Response:
    path = page.path.replace("<id>", organization).replace("<token>", "mwi_x")
    form = {"csrf": "x", forms.ONCE_FIELD: forms.new_once(times.now())}
    raw = urlencode(form).encode()
    return call(app, page.method, path, raw=raw, headers={"Cookie": cookies}, form=True, address=address)


def is_shut_out(page: OperatorPage, answer: Response) -> bool:
    """Tells whether an answer sends its caller to the log-in; a page that asks by itself is told, and not led there."""
    if page.is_polled:
        return (answer.status, b"Your session has ended" in answer.data) == (401, True)
    return (answer.status, answer.headers["Location"], answer.data) == (303, "/operator/login", b"")


def test_only_log_in_and_enrolment_are_public(app: bottle.Bottle) -> None:
    served = {(route.method, route.rule) for route in app.routes if re.match("/operator(/|$)", route.rule)}
    assert served == {(page.method, page.path) for page in PAGES}
    assert {(page.method, page.path) for page in PAGES if page.is_public} == PUBLIC


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_there_is_nothing_while_no_operator_exists(app: bottle.Bottle, page: OperatorPage) -> None:
    unknown = call(app, page.method, "/nothing", raw=b"", form=True)
    answer = ask(app, page, "x", "")
    assert (answer.status, answer.data) == (404, unknown.data)


@pytest.mark.parametrize("page", [page for page in PAGES if not page.is_public], ids=name_of)
def test_no_page_answers_a_member_or_a_stranger(
    app: bottle.Bottle, context: Context, owner: Actor, operator: Operator, page: OperatorPage
) -> None:
    member = join(context, owner.organization_id, Role.OWNER)
    ended = operator.cookies[COOKIE]
    operator.get("/operator")
    operator.send("/operator/logout")
    for cookies in (
        "",
        f"{MEMBERS_COOKIE}={member}",
        f"{COOKIE}={member}",
        f"{COOKIE}={ended}",
        f"{COOKIE}={tokens.new_token(tokens.OPERATOR)}",
        f"{COOKIE}=",
    ):
        assert is_shut_out(page, ask(app, page, owner.organization_id, cookies))
    bearer = call(app, page.method, page.path.replace("<id>", owner.organization_id), token=ended)
    assert is_shut_out(page, bearer)


@given(token=st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=';,"\\'), max_size=80))
@sharing_fixtures(40)
def test_no_invented_token_opens_anything(app: bottle.Bottle, owner: Actor, operator: Operator, token: str) -> None:
    assert operator
    for place, page in enumerate(PAGES):
        if not page.is_public:
            # Each page from an address of its own, as one may ask only so often.
            answer = ask(app, page, owner.organization_id, f"{COOKIE}={token}", f"198.51.100.{place}")
            assert is_shut_out(page, answer)


@pytest.mark.parametrize("page", [page for page in PAGES if page.method == "POST"], ids=name_of)
def test_a_forged_form_is_refused(
    app: bottle.Bottle, context: Context, owner: Actor, operator: Operator, page: OperatorPage
) -> None:
    link = operators.add(context, "second@example.net").rpartition("/")[2]
    path = page.path.replace("<id>", owner.organization_id).replace("<token>", link)
    for csrf in ("", "x", f"x.{operator.phone.secret}"):
        form = {"csrf": csrf, forms.ONCE_FIELD: forms.new_once(times.now()), "password": "x", "code": "x"}
        cookie = f"{COOKIE}={operator.cookies[COOKIE]}"
        answer = call(app, page.method, path, raw=urlencode(form).encode(), headers={"Cookie": cookie}, form=True)
        assert answer.status == 403


def test_an_operator_s_token_is_no_member_s(app: bottle.Bottle, operator: Operator) -> None:
    token = operator.cookies[COOKIE]
    assert call(app, "GET", "/api/v1/machines", token=token).status == 401
    for path in ("/machines", "/settings"):
        assert call(app, "GET", path, headers={"Cookie": f"{MEMBERS_COOKIE}={token}"}).status == 303
