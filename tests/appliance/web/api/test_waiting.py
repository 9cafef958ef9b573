"""Loss of rights between the authentication of a call and its commit.

Every call of the API that changes something is made with every way in which the caller can lose its access. The loss
happens when the call asks the store for its turn to write.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import bottle
import pytest

from appliance.model.organization import Role
from appliance.service import Context, accounts
from appliance.store import members, organizations, schema, sessions
from appliance.web.api import ROUTES
from appliance.web.api.reply import PREFIX
from appliance.web.api.routes import Route
from appliance.web.app import make_app
from appliance.web.limits import RateLimits
from appliance.web.site import Site
from tests.appliance.authenticator import Authenticator
from tests.appliance.clocks import Clock
from tests.appliance.conftest import sign_up
from tests.appliance.fakes import FakeHub
from tests.appliance.members import NEW_PASSWORD, colleague, sign_in
from tests.appliance.sites import site_of
from tests.appliance.web.api.changing_calls import ENTRIES, NO_ENTRY, SITE, WISHES, Scene, Waiting
from tests.appliance.web.client import Response, call

# They change nothing, or end what the loss has ended already.
HARMLESS = {"POST /policy/check", "POST /policy/preview", "POST /machines/{id}/ping", "DELETE /sessions/current"}


@pytest.fixture(scope="module")
def shared() -> tuple[bottle.Bottle, Site]:
    """Provides an application and its objects, shared because making it takes longer than a test."""
    nowhere = Context(None, None, "vpn.example.net:51820")  # type: ignore[arg-type]
    site = site_of(nowhere)
    return make_app(site, FakeHub().status), site


@pytest.fixture
def scene(context: Context, hub: FakeHub, shared: tuple[bottle.Bottle, Site]) -> Scene:
    store, clock = Waiting(context.store), Clock(context.clock())
    ours = replace(context, store=store, clock=clock, site=SITE)  # type: ignore[arg-type]
    founder = sign_up(ours, "founder@example.net")
    person = colleague(ours, founder, Role.OWNER)
    token = sign_in(ours, person.member_id)
    app, site = shared
    object.__setattr__(site, "context", ours)
    object.__setattr__(site, "limits", RateLimits())
    caller = accounts.actor_of(ours, token)
    return Scene(app, ours, store, hub, clock, founder, caller, token, Authenticator(SITE))


def name_of(row: Route) -> str:
    return f"{row.method} {row.path}"


def test_every_changing_call_is_in_the_list() -> None:
    changing = {name_of(row) for row in ROUTES if row.method != "GET" and not row.access.is_public}
    assert changing - HARMLESS == set(WISHES)
    assert set(ENTRIES) == set(WISHES) - NO_ENTRY


def _remove(scene: Scene) -> None:
    with scene.context.store.write() as transaction:
        members.remove(transaction, scene.caller.member_id)


def _demote(scene: Scene) -> None:
    with scene.context.store.write() as transaction:
        members.change_role(transaction, scene.caller.member_id, Role.VIEWER)


def _end_sessions(scene: Scene) -> None:
    with scene.context.store.write() as transaction:
        sessions.end_all(transaction, scene.caller.member_id)


def _set_back(scene: Scene, column: str, time: timedelta) -> None:
    """Expires the caller's sessions only."""
    table = schema.sessions
    with scene.context.store.write() as transaction:
        transaction.execute(table.update().values({column: table.c[column] - time.total_seconds()}))


def _suspend(scene: Scene) -> None:
    # As the operator's command has it stored. That of a hub is another matter (`test_suspension`).
    organization = scene.founder.organization_id
    with scene.context.store.write() as transaction:
        organizations.suspend(transaction, organization, scene.clock())
        sessions.end_all_of(transaction, organization)


def _revoke_tokens(scene: Scene) -> None:
    with scene.context.store.write() as transaction:
        transaction.execute(schema.api_tokens.delete())


def _wait(days: float) -> Callable[[Scene], None]:
    def wait(scene: Scene) -> None:
        scene.clock.now += timedelta(days=days)

    return wait


LOSSES: dict[str, Callable[[Scene], None]] = {
    "the member is removed": _remove,
    "the role is lowered": _demote,
    "the session is ended": _end_sessions,
    "the session was idle for too long": lambda scene: _set_back(scene, "last_seen_at", timedelta(hours=13)),
    "the session's time is over": lambda scene: _set_back(scene, "expires_at", timedelta(days=15)),
    "the organization is suspended": _suspend,
}
TOKEN_LOSSES: dict[str, Callable[[Scene], None]] = {
    "the member is removed": _remove,
    "the role is lowered": _demote,
    "the token is revoked": _revoke_tokens,
    "the token expires": _wait(100),
    "the organization is suspended": _suspend,
}


def _ask_and_lose(scene: Scene, loss: Callable[[Scene], None], ask: Callable[[], Response]) -> Response:
    """Makes a call whose caller loses its access before the turn, and checks that nothing else was changed."""
    enforced, after = dict(scene.hub.enforced), list[dict[str, Any]]()

    def lose() -> None:
        loss(scene)
        after.append(scene.stored())

    scene.store.before = lose
    answer = ask()
    assert after, "the call did not ask for a turn to write"
    stored, now = after[0], scene.stored()
    # A challenge is nobody's, and used up whatever comes of it.
    assert set(now.pop("challenges")) <= set(stored.pop("challenges"))
    assert now == stored
    assert scene.hub.enforced == enforced
    return answer


@pytest.mark.drawn("loss")
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("name", WISHES)
def test_a_caller_that_lost_its_access_changes_nothing(scene: Scene, name: str, loss: Callable[[Scene], None]) -> None:
    path, body = WISHES[name](scene)
    answer = _ask_and_lose(scene, loss, lambda: scene.ask(name.partition(" ")[0], path, body))
    assert answer.status in (401, 403), answer.data


@pytest.mark.parametrize("name", WISHES)
def test_control_a_caller_that_keeps_its_access_succeeds(scene: Scene, name: str) -> None:
    path, body = WISHES[name](scene)
    before = scene.stored()
    answer = scene.ask(name.partition(" ")[0], path, body)
    assert 200 <= answer.status < 300, answer.data
    assert scene.stored() != before


@pytest.mark.parametrize("name", ENTRIES)
def test_a_changing_call_leaves_its_entry_in_the_trail(scene: Scene, name: str) -> None:
    path, body = WISHES[name](scene)
    before = scene.trail()
    assert scene.ask(name.partition(" ")[0], path, body).status < 300
    assert scene.trail() == [*before, *ENTRIES[name]]


@pytest.mark.parametrize("name", sorted(NO_ENTRY))
def test_some_changing_calls_leave_no_entry(scene: Scene, name: str) -> None:
    path, body = WISHES[name](scene)
    before = scene.trail()
    assert scene.ask(name.partition(" ")[0], path, body).status < 300
    assert scene.trail() in (before, [])


@pytest.mark.drawn("loss")
@pytest.mark.parametrize("loss", TOKEN_LOSSES.values(), ids=TOKEN_LOSSES)
@pytest.mark.parametrize("name", [name_of(row) for row in ROUTES if row.access.scope and name_of(row) in WISHES])
def test_a_call_whose_api_token_ended_changes_nothing(scene: Scene, name: str, loss: Callable[[Scene], None]) -> None:
    token = scene.program()
    # It was used a moment ago, which is noted to the minute.
    scene.ask("GET", "/machines", token=token)
    path, body = WISHES[name](scene)
    answer = _ask_and_lose(scene, loss, lambda: scene.ask(name.partition(" ")[0], path, body, token))
    assert answer.status in (401, 403), answer.data


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_a_lost_caller_s_idempotency_key_is_not_recorded(scene: Scene, loss: Callable[[Scene], None]) -> None:
    headers = {"Idempotency-Key": "k"}
    body = {"name": "new"}
    answer = _ask_and_lose(
        scene, loss, lambda: call(scene.app, "POST", f"{PREFIX}/machines", body, token=scene.token, headers=headers)
    )
    assert answer.status in (401, 403)


@pytest.mark.parametrize("is_revoked", [True, False])
def test_an_invitation_ending_during_acceptance_makes_no_account(scene: Scene, is_revoked: bool) -> None:
    def end(scene: Scene) -> None:
        if not is_revoked:
            scene.clock.now += timedelta(days=8)
            return
        with scene.context.store.write() as transaction:
            transaction.execute(schema.invitations.delete())

    link = scene.make("/invitations", {"email": "new@example.net", "role": "owner"})["link"]
    body = {"token": link.rpartition("/")[2], "password": NEW_PASSWORD}
    answer = _ask_and_lose(scene, end, lambda: call(scene.app, "POST", f"{PREFIX}/invitations/accept", body))
    assert answer.status == 404
