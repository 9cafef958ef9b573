"""Changes are undone by one button beside their notice, unless what they left behind was changed since."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appliance.model.organization import Role
from appliance.model.policy import Action
from appliance.service import Actor, invitations, machines, organizations
from appliance.service import policy as policies
from appliance.web.pages import undo
from appliance.web.pages.undo import MOST_CHARACTERS, Undo
from appliance.web.site import Site
from tests.appliance.web.pages.visitor import Answer, Visitor

RULE = {"action": "deny", "source": "any", "destination": "any", "protocol": "udp", "ports": "53", "description": ""}


@pytest.fixture
def machine(site: Site, actor: Actor) -> str:
    return machines.add(site.context, actor, name="laptop", groups=["staff", "staff-2"]).machine.id


def follow(visitor: Visitor) -> Answer:
    """Opens the page that the last answer leads to."""
    assert visitor.answer.status == 303, visitor.answer.text
    return visitor.get(visitor.answer.headers["location"])


def offered(visitor: Visitor) -> str:
    """Returns the action of the form beside the notice of the page that the last answer leads to."""
    page = follow(visitor).page
    (button,) = (each for each in ("Undo", "Invite again, with a new link") if f">{each}<" in visitor.answer.text)
    assert button
    places = ("/policy/history/", "/undo", "/enable", "/settings/people")
    return next(each for each in page.forms if any(place in each for place in places) and "/revoke" not in each)


def is_offered(visitor: Visitor) -> bool:
    return ">Undo<" in visitor.answer.text


def add_rule(owner: Visitor) -> None:
    owner.get("/policy")
    owner.send("/policy/rules", **RULE)


def rules(site: Site, actor: Actor) -> list[str]:
    return [rule.sentence for rule in policies.get(site.context, actor).policy.rules]


def test_a_rule_is_added_undone_and_added_again(owner: Visitor, site: Site, actor: Actor) -> None:
    add_rule(owner)
    (made,) = rules(site, actor)
    place = offered(owner)
    owner.send(place)
    assert rules(site, actor) == []
    place = offered(owner)
    owner.send(place)
    assert rules(site, actor) == [made]


def test_the_offer_is_made_once(owner: Visitor, actor: Actor) -> None:
    del actor
    add_rule(owner)
    follow(owner)
    assert is_offered(owner)
    owner.get("/policy")
    assert not is_offered(owner)


def test_a_flipped_default_is_undone(owner: Visitor, site: Site, actor: Actor) -> None:
    owner.get("/policy")
    owner.send("/policy/default")
    assert policies.get(site.context, actor).policy.default is Action.DENY
    owner.send(offered(owner))
    assert policies.get(site.context, actor).policy.default is Action.ALLOW


def test_what_was_saved_since_is_not_overwritten(owner: Visitor, site: Site, actor: Actor) -> None:
    add_rule(owner)
    place = offered(owner)
    page = owner.answer
    owner.get("/policy")
    owner.send("/policy/default")
    saved = policies.get(site.context, actor)
    owner.answer = page
    refused = owner.send(place)
    assert refused.status == 412
    assert policies.get(site.context, actor) == saved


def test_a_save_that_changes_nothing_offers_nothing(owner: Visitor, actor: Actor) -> None:
    del actor
    add_rule(owner)
    follow(owner)
    rule = next(each["href"] for each in owner.answer.page.all("a") if each["href"].startswith("/policy/rules/"))
    owner.get(rule)
    owner.send(rule, **RULE)
    assert "The policy is saved" in follow(owner).page.text
    assert not is_offered(owner)


def test_a_machine_s_name_and_groups_are_undone(owner: Visitor, site: Site, actor: Actor, machine: str) -> None:
    owner.get(f"/machines/{machine}")
    owner.send(f"/machines/{machine}", name="tower", groups="servers")
    place = offered(owner)
    assert place == f"/machines/{machine}/undo"
    page = owner.answer
    owner.send(place)
    found = machines.get(site.context, actor, machine).machine
    assert (found.name, set(found.groups)) == ("laptop", {"staff", "staff-2"})
    assert "It is as it was before." in follow(owner).page.text
    # The same button in another window.
    owner.answer = page
    owner.send(place)
    machines.change(site.context, actor, machine, name="third")
    owner.get(f"/machines/{machine}")
    owner.send(f"/machines/{machine}", name="fourth", groups="")
    place = offered(owner)
    machines.change(site.context, actor, machine, name="fifth")
    refused = owner.send(place)
    assert refused.status == 412
    assert "Nothing was done" in refused.page.text
    assert machines.get(site.context, actor, machine).machine.name == "fifth"


def test_a_disabled_machine_is_enabled_again(owner: Visitor, site: Site, actor: Actor, machine: str) -> None:
    owner.get(f"/machines/{machine}/disable")
    owner.send(f"/machines/{machine}/disable")
    assert not machines.get(site.context, actor, machine).machine.enabled
    owner.send(offered(owner))
    assert machines.get(site.context, actor, machine).machine.enabled


def test_a_new_name_of_the_organization_is_undone(owner: Visitor, site: Site, actor: Actor) -> None:
    for after, status in ((None, 303), ("Third", 409)):
        owner.get("/settings")
        owner.send("/settings/name", name="Second")
        place = offered(owner)
        if after:
            organizations.change(site.context, actor, name=after)
        assert owner.send(place).status == status
        assert organizations.get(site.context, actor).name == (after or "Acme Networks")


def test_a_revoked_invitation_is_made_again(owner: Visitor, site: Site, actor: Actor) -> None:
    first = invitations.invite(site.context, actor, email="ravi@example.net", role="viewer")
    owner.get("/settings/people")
    owner.send(f"/settings/people/invitations/{first.invitation.id}/revoke")
    place = offered(owner)
    assert place == "/settings/people"
    fields = {"email": "ravi@example.net", "role": "viewer"}
    answer = owner.send(place, **fields)
    assert answer.status == 200
    assert first.link is not None
    assert first.link not in answer.text


def test_a_viewer_s_forged_offer_is_refused(
    owner: Visitor, actor: Actor, colleague: Callable[[Role], Visitor], site: Site
) -> None:
    add_rule(owner)
    viewer = colleague(Role.VIEWER)
    viewer.cookies |= {name: owner.cookies[name] for name in owner.cookies if name.startswith("__Host-meshwg-")}
    page = viewer.get("/policy").page
    (place,) = (each for each in page.forms if each.startswith("/policy/history/"))
    assert viewer.send(place).status == 403
    assert len(rules(site, actor)) == 1


@given(st.text(), st.dictionaries(st.text(), st.text()), st.text())
def test_what_is_packed_is_unpacked(name: str, fields: dict[str, str], notice: str) -> None:
    made = Undo("/machines/abc/undo", {**fields, "name": name})
    text = undo.packed(made, notice)
    if text is not None:
        assert len(text) <= MOST_CHARACTERS
        assert undo.unpacked(text, notice) == made
        assert undo.unpacked(text, notice + "x") is None


@given(st.text() | st.binary().map(lambda data: base64.urlsafe_b64encode(data).decode()))
@example("W10=")
@example("é")
def test_any_cookie_is_read_without_an_error(text: str) -> None:
    assert undo.unpacked(text, "saved") is None


@pytest.mark.parametrize(
    "action", ["/account/delete", "/settings/delete", "//evil.example/undo", "/machines/a/remove", "/machines/a/undo/"]
)
def test_only_forms_that_undo_are_offered(action: str) -> None:
    text = undo.packed(Undo(action), "saved")
    assert text is not None
    assert undo.unpacked(text, "saved") is None


def test_a_change_too_long_for_a_cookie_offers_nothing() -> None:
    assert undo.packed(Undo("/machines/a/undo", {"groups": "g" * MOST_CHARACTERS}), "changed") is None
    assert undo.policy(3, 3) is None
