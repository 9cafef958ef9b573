"""Pages of members, invitations and tokens."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from appliance.model.organization import Role
from appliance.web.request import COOKIE
from tests.appliance.members import PASSWORD
from tests.appliance.web.pages.visitor import Visitor

PEOPLE = "/settings/people"
TOKENS = "/settings/tokens"


def invite(owner: Visitor, email: str = "ravi@example.net", role: str = "viewer") -> str:
    """Invites somebody; returns the path of the link."""
    owner.get(PEOPLE)
    answer = owner.send(PEOPLE, email=email, role=role)
    assert answer.status == 200, answer.text
    return "/join/" + answer.page.text.partition("/join/")[2].split()[0]


def test_an_invitation_s_link_opens_an_account(owner: Visitor, stranger: Visitor) -> None:
    path = invite(owner, role="admin")
    page = stranger.get(path)
    assert "Join Acme Networks" in page.page.text
    assert "ravi@example.net" in page.text
    # The link goes to nobody else.
    assert page.headers["referrer-policy"] == "same-origin"
    assert stranger.send(path, password="short").status == 422
    answer = stranger.send(path, password=PASSWORD)
    assert (answer.status, answer.headers["location"]) == (303, "/machines")
    assert stranger.add_machine("one").status == 200
    again = Visitor(owner.app).get(path)
    assert again.status == 404
    assert "Ask for another one" in again.page.text
    assert "ravi@example.net" in owner.get(PEOPLE).page.text


def test_an_invitation_is_revoked_on_the_page(owner: Visitor, stranger: Visitor) -> None:
    path = invite(owner)
    page = owner.get(PEOPLE).page
    revocation = next(action for action in page.forms if action.endswith("/revoke"))
    assert owner.send(revocation).status == 303
    assert "leads nowhere" in owner.get(PEOPLE).page.text
    assert stranger.get(path).status == 404


def test_joining_needs_a_csrf_token(owner: Visitor, stranger: Visitor) -> None:
    path = invite(owner)
    assert stranger.post(path, {"password": PASSWORD}).status == 403


def test_a_refusal_is_shown_beside_its_field(owner: Visitor) -> None:
    owner.get(PEOPLE)
    answer = owner.send(PEOPLE, email="nobody", role="viewer")
    assert answer.status == 422
    assert "This is not an e-mail address." in answer.page.text
    assert [each["value"] for each in answer.page.all("input") if each["name"] == "email"] == ["nobody"]


def test_an_owner_changes_a_role_and_removes(owner: Visitor, colleague: Callable[[Role], Visitor]) -> None:
    viewer = colleague(Role.VIEWER)
    path = next(each["href"] for each in owner.get(PEOPLE).page.all("a") if each["href"].startswith(f"{PEOPLE}/"))
    owner.get(path)
    assert owner.send(f"{path}/role", role="admin").status == 303
    assert viewer.add_machine("one").status == 200
    owner.get(path)
    assert owner.send(f"{path}/remove").status == 303
    assert viewer.get("/machines").status == 303
    assert owner.get(path).status == 404


def test_an_organization_is_transferred(owner: Visitor, colleague: Callable[[Role], Visitor]) -> None:
    heir = colleague(Role.ADMIN)
    path = next(each["href"] for each in owner.get(PEOPLE).page.all("a") if each["href"].startswith(f"{PEOPLE}/"))
    owner.get(path)
    assert owner.send(f"{path}/transfer").status == 303
    assert "Only an owner can invite people and change their roles." in owner.get(PEOPLE).page.text
    assert "Invite a person" in heir.get(PEOPLE).page.text


def test_every_member_but_the_last_owner_can_leave(owner: Visitor, colleague: Callable[[Role], Visitor]) -> None:
    owner.get("/account")
    answer = owner.send("/account/delete", password=PASSWORD)
    assert answer.status == 409
    assert "needs an owner" in answer.page.text
    viewer = colleague(Role.VIEWER)
    viewer.get("/account")
    assert viewer.send("/account/delete", password="another one").status == 403
    assert viewer.send("/account/delete", password=PASSWORD).headers["location"] == "/"
    assert COOKIE not in viewer.cookies
    assert viewer.log_in("viewer@example.net").status == 401


@pytest.mark.parametrize("role", [Role.ADMIN, Role.VIEWER])
def test_a_member_who_is_no_owner_sees_people_without_forms(colleague: Callable[[Role], Visitor], role: Role) -> None:
    page = colleague(role).get(PEOPLE).page
    assert "asha@example.net" in page.text
    assert {action for action in page.forms if action.startswith(PEOPLE)} == set()


def test_a_token_is_shown_once_and_revoked(owner: Visitor) -> None:
    owner.get(TOKENS)
    answer = owner.send(TOKENS, password=PASSWORD, name="ci", scope="write", days="30")
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    text = next(word for word in answer.page.text.split() if word.startswith("mwt_"))
    assert owner.ask("GET", "/api/v1/machines", headers={"Authorization": f"Bearer {text}"}).status == 200
    page = owner.get(TOKENS)
    assert text not in page.text
    revocation = next(action for action in page.page.forms if action.endswith("/revoke"))
    assert owner.send(revocation).status == 303
    assert owner.ask("GET", "/api/v1/machines", headers={"Authorization": f"Bearer {text}"}).status == 401


def test_a_viewer_is_offered_read_tokens_only(colleague: Callable[[Role], Visitor]) -> None:
    viewer = colleague(Role.VIEWER)
    options = [each["value"] for each in viewer.get(TOKENS).page.all("option")]
    assert options == ["read"]
    assert viewer.send(TOKENS, name="ci", scope="write", days="1").status == 403
    answer = viewer.send(TOKENS, name="ci", scope="read", days="x")
    assert answer.status == 422
    assert "not a whole number" in answer.page.text
