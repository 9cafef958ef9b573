"""Forms with a limit of their own ask it, and do nothing beyond it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from appliance.model.organization import Role
from appliance.service import Actor, accounts, machines, organizations
from appliance.web.request import COOKIE
from appliance.web.site import Site
from tests.appliance.web.pages.visitor import Visitor
from tests.appliance.web.used_up import use_up

FORMS = [
    ("configuration", "/machines", "/machines", {"name": "pune"}),
    ("configuration", "/machines/{id}/rotate", "/machines/{id}/rotate", {}),
    ("enabling", "/machines/{id}", "/machines/{id}/enable", {}),
    ("ping", "/machines/{id}/connection", "/machines/{id}/ping", {}),
    ("invitation", "/settings/people", "/settings/people", {"email": "b@example.net", "role": "viewer"}),
]


@pytest.mark.parametrize("role", [Role.OWNER, Role.VIEWER])
def test_access_is_revoked_when_no_change_is_left(
    owner: Visitor, site: Site, colleague: Callable[[Role], Visitor], monkeypatch: pytest.MonkeyPatch, role: Role
) -> None:
    """Uses up what a person may revoke in a minute, and then the organization's requests and changes."""
    member = colleague(role)
    if role is Role.OWNER:
        who = accounts.actor_of(site.context, member.cookies[COOKIE]).member_id
        visitor, page, form = owner, f"/settings/people/{who}", f"/settings/people/{who}/remove"
    else:
        visitor, page, form = member, "/account", "/logout"
    fields = visitor.get(page).page.forms[form]
    with monkeypatch.context() as patched:
        use_up(patched, "revocation")
        assert visitor.post(form, fields).status == 429
    use_up(monkeypatch, "read")
    use_up(monkeypatch, "write")
    assert visitor.post(form, fields).status == 303


@pytest.mark.parametrize(("limit", "page", "action", "fields"), FORMS, ids=[each[2] for each in FORMS])
def test_a_form_beyond_its_limit_does_nothing(
    owner: Visitor,
    site: Site,
    actor: Actor,
    add: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    page: str,
    action: str,
    fields: dict[str, str],
) -> None:
    machine = add("mumbai")
    if limit == "enabling":
        machines.change(site.context, actor, machine, enabled=False)
    before = organizations.trail(site.context, actor)
    use_up(monkeypatch, limit)
    owner.get(page.format(id=machine))
    answer = owner.send(action.format(id=machine), **fields)
    assert (answer.status, answer.headers["retry-after"]) == (429, "7")
    assert organizations.trail(site.context, actor) == before
