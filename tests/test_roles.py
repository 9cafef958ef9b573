"""The documented rights of roles agree with the calls of the API."""

from __future__ import annotations

import re

from appliance.model.access import Scope
from appliance.model.organization import Role
from appliance.web.api import ROUTES
from harness.paths import ROOT


def test_the_documentation_lists_what_every_member_may_read() -> None:
    page = (ROOT / "docs" / "members.md").read_text()
    section = page.partition("Every member may read:\n")[2].partition("\n\nWho should see less")[0]
    told = set(re.findall(r"`((?:GET|POST) /[a-z/]+)`", section))
    readable = {row for row in ROUTES if row.access.role is Role.VIEWER and row.access.scope is Scope.READ}
    assert told == {f"{row.method} {row.path}" for row in readable if "{" not in row.path}


def test_the_documentation_lists_what_owners_alone_may_read() -> None:
    page = " ".join((ROOT / "docs" / "members.md").read_text().split())
    assert "| owner | also invitations, pending removals of a second factor, and everybody's tokens |" in page
    lists = {row.path for row in ROUTES if row.method == "GET" and row.access.role is Role.OWNER}
    assert lists == {"/invitations", "/factor-removals"}
