"""Pages of operators: organizations, health and log."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_network

import bottle
import pytest

from appliance.hub.errors import HubUnreachable
from appliance.hub.rpc.messages import HubStatus, ShardStatus
from appliance.model.errors import TooMany
from appliance.service import Actor, Context, operators
from appliance.web.app import make_app
from appliance.web.rates import OPERATOR_CHANGES, OPERATOR_LINKS
from appliance.web.site import Site
from tests.appliance.clocks import WallClock
from tests.appliance.fakes import FakeHub
from tests.appliance.web.operators.conftest import EMAIL, Operator
from tests.appliance.web.pages.visitor import Visitor


def test_organizations_are_listed_and_searched(operator: Operator, owner: Actor, app: bottle.Bottle) -> None:
    Visitor(app, address="198.51.100.9").sign_up("other@example.net", "<b>Bolt</b> & Sons")
    page = operator.get("/operator").page
    assert "acme-networks" in page.text
    assert "<b>Bolt</b> & Sons" in page.text
    page = operator.get("/operator?query=bolt").page
    assert "acme-networks" not in page.text
    assert "No organization matches" in operator.get("/operator?query=nobody").page.text
    assert operator.get("/operator?query=" + "m" * 200).status == 422
    assert owner


def test_an_operator_suspends_and_resumes_an_organization(operator: Operator, owner: Actor, hub: FakeHub) -> None:
    path = f"/operator/organizations/{owner.organization_id}"
    answer = operator.act(f"{path}/suspend")
    assert (answer.status, answer.headers["location"]) == (303, path)
    assert owner.organization_id not in hub.enforced
    page = operator.get(path).page
    assert "The organization is suspended: no packet of it passes" in page.text
    operator.act(f"{path}/resume")
    assert owner.organization_id in hub.enforced
    assert operator.get("/operator/organizations/nowhere").status == 404


def test_a_form_that_is_sent_twice_is_done_once(operator: Operator, owner: Actor, clock: WallClock) -> None:
    path = f"/operator/organizations/{owner.organization_id}"
    clock.wait()
    form = operator.get(path).page.forms[f"{path}/suspend"] | {"code": operator.phone.at(clock.now)}
    assert operator.post(f"{path}/suspend", form).status == 303
    assert operator.post(f"{path}/suspend", form).status == 303
    assert "This form came twice, and was done once." in operator.get(path).page.text


def test_a_refused_change_is_shown_with_its_reason(operator: Operator, owner: Actor, hub: FakeHub) -> None:
    path = f"/operator/organizations/{owner.organization_id}"
    hub.refuses = True
    answer = operator.act(f"{path}/suspend")
    assert answer.status == 503
    assert owner.organization_id in hub.enforced
    hub.refuses = False
    answer = operator.act(f"{path}/invitations", email="nobody", role="viewer")
    assert (answer.status, "This is not an e-mail address." in answer.page.text) == (422, True)


def test_invitations_are_links_to_pass_on(operator: Operator, owner: Actor, app: bottle.Bottle) -> None:
    path = f"/operator/organizations/{owner.organization_id}"
    page = operator.act(f"{path}/invitations", email="new@example.net", role="admin").page
    link = next(word for word in page.text.split() if "/join/" in word)
    guest = Visitor(app, address="198.51.100.9")
    assert "The operator" not in guest.get(link.partition("hub.example.net")[2]).page.text
    assert "operator invites new@example.net as admin" in " ".join(guest.answer.page.text.split())
    operator.get("/operator")
    page = operator.send("/operator/sign-up-links", email="").page
    link = next(word for word in page.text.split() if "/signup?" in word)
    assert guest.get(link.partition("hub.example.net")[2]).status == 200


def test_a_link_to_sign_up_is_revoked(
    operator: Operator, new_operator: Callable[[], Operator], context: Context, app: bottle.Bottle, site: Site
) -> None:
    """Also by another operator, whose changes are used up: whoever has the link must not keep it for that."""
    operator.get("/operator")
    assert "Sign-up links" not in operator.answer.page.text
    answer = operator.send("/operator/sign-up-links", email="")
    link = re.search(r"https://hub\.example\.net(/signup\?link=\S+?)<", answer.text)
    assert link is not None
    other = new_operator()
    other.join(operators.add(context, "second@example.net"))
    page = other.get("/operator").page
    assert "any address" in page.text
    assert EMAIL in page.text
    (action,) = [each for each in page.forms if each.endswith("/revoke")]
    second = next(each.operator.id for each in operators.all_of(context) if each.operator.email != EMAIL)
    for _ in range(OPERATOR_CHANGES[0].amount):
        site.limits.operator_change(second)
    with pytest.raises(TooMany):
        site.limits.operator_change(second)
    answer = other.send(action)
    assert (answer.status, answer.headers["location"]) == (303, "/operator")
    page = other.get("/operator").page
    assert "The link is revoked" in page.text
    assert not [each for each in page.forms if each.endswith("/revoke")]
    assert Visitor(app, address="198.51.100.9").get(link[1]).status == 404


def test_links_of_an_operator_are_bounded_from_anywhere(operator: Operator, owner: Actor, site: Site) -> None:
    """Uses up the links to sign up, from a trusted source: none is left for an organization either."""
    site.limits.trusted = [ip_network(f"{operator.address}/32")]
    for _ in range(OPERATOR_LINKS[0].amount):
        operator.get("/operator")
        assert operator.send("/operator/sign-up-links", email="").status == 200
    operator.get("/operator")
    assert operator.send("/operator/sign-up-links", email="").status == 429
    path = f"/operator/organizations/{owner.organization_id}"
    assert operator.act(f"{path}/invitations", email="new@example.net", role="viewer").status == 429
    assert site.limits.refused == {("operator-links", "one"): 2}


@pytest.mark.long
def test_changes_are_bounded_and_leaving_is_not(operator: Operator, owner: Actor) -> None:
    path = f"/operator/organizations/{owner.organization_id}"
    for act in ("suspend", "resume") * 30:
        assert operator.act(f"{path}/{act}").status == 303
    assert operator.act(f"{path}/suspend").status == 429
    operator.get(path)
    assert operator.send("/operator/logout").headers["location"] == "/operator/login"
    assert operator.get(path).headers["location"] == "/operator/login"


def test_the_hub_s_health_is_shown(operator: Operator, owner: Actor) -> None:
    page = operator.get("/operator/hub").page
    for expected in ("Ready.", "Schema of the store", "Unused organizations", "SQLite", "1 of 1"):
        assert expected in page.text, expected
    assert owner


@pytest.mark.parametrize("is_there", [True, False])
def test_a_service_that_is_not_ready_says_why(site: Site, clock: WallClock, context: Context, is_there: bool) -> None:
    def status() -> HubStatus:
        if not is_there:
            raise HubUnreachable("no socket")
        return HubStatus(
            "kernel", "1.0", 1, 2, door_entries={"sources": 95}, door_room={"sources": 100}, repairs={"rules": 3}
        )

    visitor = Operator(make_app(site, status, clock.now + timedelta(days=3)), clock=clock)
    visitor.join(operators.add(context, EMAIL))
    text = " ".join(visitor.get("/operator/hub").page.text.split())
    assert "Not ready." in text
    assert re.search(r"Ends\s*4 Mar 2026, 12:00 UTC\s*Days until then\s*3", text)
    assert '<time datetime="2026-03-04T12:00:00Z" data-shown="moment">' in visitor.answer.text
    if is_there:
        for expected in ("1 of 2 organizations are enforced.", "95 of 100 (95%)", "kernel 1.0"):
            assert expected in text, expected
        assert re.search(r"Repairs since the start of the hub\s*rules\s*3", text)
    else:
        assert "The hub does not answer: no socket." in text


def test_shards_are_shown_with_their_owners(site: Site, clock: WallClock, context: Context) -> None:
    shards = (
        ShardStatus("192.0.2.1:1", "hub1", 7, 180.0, 0.25, 5, {"stranger": 0}, "hub3"),
        ShardStatus("192.0.2.1:2", None),
    )

    def status() -> HubStatus:
        return HubStatus("kernel", "1.0", 1, 2, shards=shards, unanswered={"unowned": 4})

    visitor = Operator(make_app(site, status, clock.now + timedelta(days=3)), clock=clock)
    visitor.join(operators.add(context, EMAIL))
    text = " ".join(visitor.get("/operator/hub").page.text.split())
    for expected in (
        "No hub answers for 192.0.2.1:2.",
        "hub1, for 3 min",
        "5 packets found",
        "no hub answers",
        "hub3 is prepared",
    ):
        assert expected in text, expected
    assert re.search(r"Calls that no hub answered\s*unowned\s*4", text)


def test_the_log_tells_who_did_what(operator: Operator, owner: Actor) -> None:
    operator.get(f"/operator/organizations/{owner.organization_id}")
    text = operator.get("/operator/log").page.text
    for expected in (EMAIL, "operator.enrolled", "organization.viewed", "set up"):
        assert expected in text, expected
    assert owner.organization_id not in text


def test_a_removed_operator_is_out_at_once(operator: Operator, context: Context) -> None:
    operators.add(context, "second@example.net")
    operators.remove(context, EMAIL)
    assert operator.get("/operator").headers["location"] == "/operator/login"


@pytest.mark.parametrize("act", ["suspend", "resume", "invitations"])
def test_a_session_alone_does_nothing_in_a_tenant_s_name(
    operator: Operator, owner: Actor, hub: FakeHub, clock: WallClock, act: str
) -> None:
    """Codes: none, a wrong one, the one of the log-in, and one that permitted something before."""
    path = f"/operator/organizations/{owner.organization_id}"
    operator.enter()
    of_log_in = operator.phone.at(clock.now)
    if act == "resume":
        operator.act(f"{path}/suspend")
    fields = {"email": "new@example.net", "role": "owner"} if act == "invitations" else {}
    before = dict(hub.enforced)
    operator.get(path)
    for code in ("", "000000", of_log_in, operator.phone.at(clock.now)):
        answer = operator.send(f"{path}/{act}", code=code, **fields)
        assert answer.status == (403 if code else 401)
        code_field = next(each for each in answer.page.all("input") if "aria-invalid" in each)
        assert (code_field["name"], code_field.get("value")) == ("code", "")
        assert f"{path}/{act}" in answer.page.forms
    assert hub.enforced == before
    assert "/join/" not in answer.text
    assert operator.act(f"{path}/{act}", operator.codes[0], **fields).status in (200, 303)
    assert operator.act(f"{path}/invitations", operator.codes[0], email="b@example.net", role="owner").status == 403


def test_a_code_that_permitted_nothing_is_good_yet(operator: Operator, owner: Actor) -> None:
    path = f"/operator/organizations/{owner.organization_id}"
    assert operator.act(f"{path}/invitations", email="nobody", role="owner").status == 422
    code = operator.phone.at(operator.clock.now)
    assert operator.send(f"{path}/invitations", email="new@example.net", role="owner", code=code).status == 200


def test_wrong_codes_of_a_stolen_session_are_bounded(operator: Operator, owner: Actor) -> None:
    path = f"/operator/organizations/{owner.organization_id}"
    operator.get(path)
    statuses = [operator.send(f"{path}/suspend", code="000000").status for _ in range(8)]
    assert statuses == [403] * 5 + [429] * 3
