"""The page of a person's own account."""

from __future__ import annotations

import pytest

from appliance.web.pages import words
from appliance.web.request import COOKIE
from tests.appliance.members import PASSWORD
from tests.appliance.web.pages.visitor import Visitor

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
EDGE = "Mozilla/5.0 (Windows NT 10.0; Win64) AppleWebKit/537.36 (KHTML) Chrome/131.0 Safari/537.36 Edg/131.0"


def test_sessions_are_shown_and_ended(owner: Visitor, stranger: Visitor) -> None:
    stranger.log_in("asha@example.net")
    page = owner.get("/account").page
    (ending,) = (action for action in page.forms if action.endswith("/end"))
    assert owner.send(ending).status == 303
    assert "The session has ended." in owner.get("/account").page.text
    assert stranger.get("/machines").status == 303
    owner.get("/account")
    assert owner.post(ending, owner.answer.page.forms["/logout"]).status == 404
    stranger.log_in("asha@example.net")
    owner.get("/account")
    owner.send("/account/sessions/end-others")
    assert stranger.get("/machines").status == 303
    assert "/account/sessions/end-others" not in owner.get("/account").page.forms


def test_a_password_change_keeps_this_browser_signed_in(owner: Visitor, stranger: Visitor) -> None:
    stranger.log_in("asha@example.net")
    before = owner.cookies[COOKIE]
    owner.get("/account")
    answer = owner.send("/account/password", password=PASSWORD, new_password="staple the correct horse")
    assert answer.status == 303
    assert owner.cookies[COOKIE] != before
    assert "Your password is changed" in owner.get("/account").page.text
    assert stranger.get("/machines").status == 303
    assert stranger.log_in("asha@example.net").status == 401
    assert stranger.log_in("asha@example.net", "staple the correct horse").status == 303


@pytest.mark.parametrize("box", [None, "keep_tokens"])
def test_tokens_end_with_the_password_unless_a_box_is_ticked(owner: Visitor, box: str | None) -> None:
    owner.get("/settings/tokens")
    made = owner.send("/settings/tokens", name="ci", scope="read", days="30", password=PASSWORD)
    token = next(word for word in made.page.text.split() if word.startswith("mwt_"))
    page = owner.get("/account").page
    boxes = [each for each in page.all("input") if each.get("type") == "checkbox"]
    assert {each["name"] for each in boxes} == {"keep_tokens", "keep_passkeys"}
    assert not any("checked" in each for each in boxes)
    ticked = {} if box is None else {box: "yes"}
    assert (
        owner.send("/account/password", password=PASSWORD, new_password="staple the correct horse", **ticked).status
        == 303
    )
    status = owner.ask("GET", "/api/v1/machines", headers={"Authorization": f"Bearer {token}"}).status
    assert status == (401 if box is None else 200)


def test_a_wrong_present_password_is_shown_beside_its_field(owner: Visitor) -> None:
    owner.get("/account")
    answer = owner.send("/account/password", password="not it", new_password="staple the correct horse")
    assert answer.status == 403
    (field,) = (each for each in answer.page.all("input") if each.get("id") == "password-password")
    assert field["aria-invalid"] == "true"
    assert "not it" not in answer.text
    assert "staple the correct horse" not in answer.text


@pytest.mark.parametrize(
    ("agent", "told"),
    [(FIREFOX, "Firefox on Linux"), (EDGE, "Edge on Windows"), ("curl/8.5.0", "curl/8.5.0"), ("", "unknown")],
)
def test_an_unknown_browser_is_described_in_words(agent: str, told: str) -> None:
    assert words.program(agent) == told
