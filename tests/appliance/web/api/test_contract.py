"""Random requests generated from the OpenAPI document, whose answers must follow it."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS
from schemathesis.openapi import from_wsgi

from appliance.model.organization import Member
from appliance.service import Actor, Context, sessions
from appliance.service.sessions import NOWHERE
from appliance.store import people
from appliance.web.api import ROUTES
from appliance.web.api.reply import PREFIX
from appliance.web.api.routes import Route
from appliance.web.app import make_app
from appliance.web.limits import RateLimits
from tests.appliance.conftest import sign_up
from tests.appliance.fakes import FakeHub
from tests.appliance.sites import site_of

HELD = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)


def name_of(row: Route) -> str:
    return f"{row.method} {row.path}"


class Somebody:
    """An owner with a new session for each request, whatever the last request did to the organization."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._signed_up = 0
        self._actor: Actor | None = None

    def token(self) -> str:
        """Opens a new session; returns its token."""
        member = self._member()
        with self._context.store.write() as transaction:
            return sessions.begin(self._context, transaction, member, NOWHERE).token

    def _member(self) -> Member:
        found = None
        if self._actor is not None:
            with self._context.store.read() as transaction:
                found = people.by_id(transaction, self._actor.member_id)
        if found is None:
            self._signed_up += 1
            self._actor = sign_up(self._context, f"owner{self._signed_up}@example.net")
            return self._member()
        return found


@pytest.mark.long
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["in", "out"])
@pytest.mark.parametrize("row", ROUTES, ids=name_of)
def test_a_call_follows_the_document(
    context: Context, hub: FakeHub, pytestconfig: pytest.Config, row: Route, mode: GenerationMode
) -> None:
    limits = RateLimits(trusted=[ip_network("127.0.0.0/8")], clock=iter(range(10**9)).__next__)
    app = make_app(site_of(context, limits), hub.status)
    operation = from_wsgi(f"{PREFIX}/openapi.json", app)[row.path][row.method]
    somebody = Somebody(context)
    also = () if mode is GenerationMode.POSITIVE else ("negative_data_rejection",)
    held: Any = CHECKS.get_by_names([*HELD, *also])

    @settings(
        max_examples=pytestconfig.getoption("--examples"),
        deadline=None,
        database=None,
        derandomize=pytestconfig.getoption("hypothesis_seed") is None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def hold(case: Case[Any]) -> None:
        # A request may be wrong by having no token; then it stays so.
        signs_in = not row.access.is_public and (mode is GenerationMode.POSITIVE or "Authorization" in case.headers)
        headers = {"Authorization": f"Bearer {somebody.token()}"} if signs_in else {}
        case.call_and_validate(headers=headers, checks=held)

    # A call that takes nothing can't be asked in a wrong way.
    with suppress(Unsatisfiable):
        hold()
