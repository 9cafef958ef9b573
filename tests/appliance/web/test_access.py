"""Access of every role to every call and page, compared with their tables."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import bottle
import pytest

from appliance.model.errors import Forbidden
from appliance.model.organization import Role
from appliance.service import Actor, Context, tokens
from appliance.store import times
from appliance.web import operators
from appliance.web.api import ROUTES
from appliance.web.api.reply import PREFIX
from appliance.web.api.routes import Route
from appliance.web.pages import PAGES, forms
from appliance.web.pages.routes import LIVE, Page
from appliance.web.refusals import title_of
from appliance.web.request import COOKIE
from tests.appliance.members import join
from tests.appliance.web.client import Response, call

# What is there for everybody, beside the tables.
OPEN = {"/static/<name>", f"{PREFIX}/openapi.json", "/healthz", "/readyz", "/metrics"}


ROWS: tuple[Route | Page, ...] = (*ROUTES, *PAGES)


def path_of(row: Route | Page) -> str:
    """Fills in each parameter of the path; those with a pattern are months."""
    return re.sub(r"[{<]\w+(:[^>]*)?[}>]", lambda found: "2026-01" if found[1] else "x", row.path)


def send(app: bottle.Bottle, row: Route | Page, token: str | None) -> Response:
    if isinstance(row, Route):
        return call(app, row.method, PREFIX + path_of(row), {}, token=token)
    form = {} if token is None else {"csrf": tokens.csrf_of(token), forms.ONCE_FIELD: forms.new_once(times.now())}
    headers = {} if token is None else {"Cookie": f"{COOKIE}={token}"}
    return call(app, row.method, path_of(row), raw=urlencode(form).encode(), headers=headers, form=True)


def name_of(row: Route | Page) -> str:
    return f"{row.method} {PREFIX if isinstance(row, Route) else ''}{row.path}"


@pytest.mark.parametrize("row", [row for row in ROWS if row.access.role is not None], ids=name_of)
def test_the_least_role_is_admitted_and_the_next_lower_refused(
    app: bottle.Bottle, context: Context, owner: Actor, row: Route | Page
) -> None:
    assert row.access.role is not None
    anonymous = send(app, row, None)
    # The script of a page can't follow a way to another page.
    if isinstance(row, Route) or row.path.endswith(LIVE):
        assert anonymous.status == 401
    else:
        assert (anonymous.status, anonymous.headers["Location"].partition("?")[0]) == (303, "/login")
    for role in Role:
        answer = send(app, row, join(context, owner.organization_id, role))
        # A wrong password is a 403, too, and another one.
        is_refused = answer.status == 403 and str(title_of(Forbidden)).encode() in answer.data
        assert is_refused is not role.covers(row.access.role), f"{role}: {answer.status}"
        assert answer.status != 401


@pytest.mark.parametrize("row", [row for row in ROWS if row.access.role is None], ids=name_of)
def test_public_calls_need_no_session(app: bottle.Bottle, row: Route | Page) -> None:
    answer = send(app, row, None)
    if isinstance(row, Route):
        assert answer.status in (200, 400, 422)
    elif row.method == "POST":
        assert answer.status == 403, "a form that no page of ours was shown with"
    else:
        assert answer.status in (200, 404)


def test_every_path_is_in_a_table_of_roles(app: bottle.Bottle) -> None:
    stated = {(row.method, PREFIX + re.sub(r"{(\w+)}", r"<\1>", row.path)) for row in ROUTES}
    stated |= {(page.method, page.path) for page in (*PAGES, *operators.PAGES)}
    assert {(route.method, route.rule) for route in app.routes if route.rule not in OPEN} == stated


def test_a_role_is_read_again_for_every_call(app: bottle.Bottle, context: Context, owner: Actor) -> None:
    token = join(context, owner.organization_id, Role.ADMIN)
    assert call(app, "POST", f"{PREFIX}/machines", {"name": "one"}, token=token).status == 201
    with context.store.write() as transaction:
        transaction.exec_driver_sql("UPDATE members SET role = 'viewer' WHERE role = 'admin'")
    assert call(app, "POST", f"{PREFIX}/machines", {"name": "two"}, token=token).status == 403
