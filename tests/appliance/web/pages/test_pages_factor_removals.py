"""Removals of lost second factors on the pages, where owners can stop them."""

from __future__ import annotations

from collections.abc import Callable

import pyotp
import pytest

from appliance.model.organization import Role
from appliance.service import factor_removals
from appliance.store import factor_removals as stored
from appliance.web.site import Site
from tests.appliance.members import PASSWORD
from tests.appliance.web.pages.visitor import Visitor

PEOPLE = "/settings/people"


@pytest.fixture
def email(colleague: Callable[[Role], Visitor], site: Site) -> str:
    """Provides the address of a viewer, whose second factor is being removed."""
    viewer = colleague(Role.VIEWER)
    viewer.get("/account")
    page = viewer.send("/account/second-factor", password=PASSWORD).page
    secret = next(line for line in page.text.split() if len(line) == 32 and line.isupper())
    assert viewer.send("/account/second-factor/enable", code=pyotp.TOTP(secret).now()).status == 200
    factor_removals.begin(site.context, "viewer@example.net")
    assert "Your second factor and your passkeys are removed at" in viewer.get("/account").page.text
    assert "Stop it" not in viewer.get(PEOPLE).page.text
    return "viewer@example.net"


def test_an_owner_sees_a_removal_and_stops_it(owner: Visitor, email: str, site: Site) -> None:
    for path in ("/machines", PEOPLE):
        page = owner.get(path).page
        assert f"the password of {email} alone opens the account" in " ".join(page.text.split())
    (form,) = (action for action in page.forms if action.endswith("/keep-factors"))
    assert owner.send(form).headers["location"] == PEOPLE
    text = owner.get(PEOPLE).page.text
    assert "The removal is stopped" in text
    assert "Stop it" not in text
    with site.context.store.read() as transaction:
        assert stored.waiting(transaction) == []
    trail = owner.get("/audit").page.text
    for words in ("began to remove a lost second factor", "stopped the removal of a second factor"):
        assert words in trail


def test_only_owners_stop_a_removal(
    owner: Visitor, email: str, colleague: Callable[[Role], Visitor], site: Site
) -> None:
    form = next(action for action in owner.get(PEOPLE).page.forms if action.endswith("/keep-factors"))
    other = colleague(Role.ADMIN)
    assert email not in other.get("/machines").page.text
    assert other.post(form, {"csrf": other.get("/machines").page.forms["/logout"]["csrf"]}).status == 403
    with site.context.store.read() as transaction:
        assert len(stored.waiting(transaction)) == 1
