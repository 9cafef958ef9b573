"""Loss of rights between the authentication of a call and its commit.

Every call of the API that changes something is made with every way in which the caller can lose its access. The loss
happens when the call asks the store for its turn to write.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import bottle
import pyotp
import pytest
from sqlalchemy import Connection

from appliance.model.organization import Role
from appliance.service import Actor, Context, accounts, api_tokens, factor_removals
from appliance.service.transcripts import PublishedRuns
from appliance.store import Store, members, organizations, schema, sessions
from appliance.web.api import ROUTES
from appliance.web.api.reply import PREFIX
from appliance.web.api.routes import Route
from appliance.web.app import make_app
from appliance.web.limits import RateLimits
from appliance.web.site import Site
from tests.appliance.authenticator import Authenticator
from tests.appliance.conftest import sign_up
from tests.appliance.fakes import FakeHub
from tests.appliance.members import PASSWORD, colleague, sign_in
from tests.appliance.rows import everything
from tests.appliance.web.client import Response, call

SITE = "https://mesh.example.net"
# They change nothing, or end what the loss has ended already.
HARMLESS = {"POST /policy/check", "POST /policy/preview", "POST /machines/{id}/ping", "DELETE /sessions/current"}


class Waiting:
    """A store that runs a function just before the next write transaction begins."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.before: Callable[[], object] | None = None

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Runs the function, and then writes as `Store.write` does."""
        before, self.before = self.before, None
        if before is not None:
            before()
        with self._store.write() as transaction:
            yield transaction

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Scene:
    """An organization with something of each kind, and an owner who is about to call.

    Attributes:
        caller: a second owner, so that the organization has one without them.
        token: of the caller's session.
    """

    app: bottle.Bottle
    context: Context
    store: Waiting
    hub: FakeHub
    clock: Clock
    founder: Actor
    caller: Actor
    token: str
    device: Authenticator

    def ask(self, method: str, path: str, body: Any = None, token: str | None = None) -> Response:
        return call(self.app, method, PREFIX + path, body, token=token or self.token)

    def make(self, path: str, body: Any) -> Any:
        answer = self.ask("POST", path, body)
        assert answer.status in (200, 201), answer.data
        return answer.json

    def program(self) -> str:
        """Issues an API token of the caller that may write."""
        return api_tokens.issue(self.context, self.caller, password=PASSWORD, name="program", scope="write").text

    def enroll(self) -> list[str]:
        """Turns on the caller's second factor; returns the recovery codes."""
        made = self.make("/account/second-factor", {"password": PASSWORD})
        code = pyotp.TOTP(made["secret"]).at(self.clock())
        enabled = self.ask("PUT", "/account/second-factor", {"code": code}).json
        self.token = enabled["token"]
        return list(enabled["recovery_codes"])

    def add_passkey(self) -> str:
        """Adds a passkey of the caller; returns its id."""
        self.token = self.ask("POST", "/account/passkeys", self.passkey()).json["token"]
        (found,) = self.ask("GET", "/account/passkeys").json["passkeys"]
        return str(found["id"])

    def passkey(self) -> dict[str, Any]:
        """Makes the credential of a new passkey, as a browser sends it."""
        options = self.make("/account/passkeys/options", None)["options"]
        made = json.loads(self.device.create(json.dumps(options)))
        return {"password": PASSWORD, "name": "laptop", "credential": made}

    def stored(self) -> dict[str, Any]:
        """Reads all rows by table."""
        with self.context.store.read() as transaction:
            return everything(transaction)


@pytest.fixture(scope="module")
def shared() -> tuple[bottle.Bottle, Site]:
    """Provides an application and its objects, shared because making it takes longer than a test."""
    nowhere = Context(None, None, "vpn.example.net:51820")  # type: ignore[arg-type]
    site = Site(nowhere, RateLimits(), PublishedRuns(Path("nowhere")))
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


def _rule(scene: Scene) -> str:
    return str(scene.make("/policy/rules", {"action": "deny", "source": "any", "destination": "any"})["id"])


def _machine(scene: Scene) -> str:
    return str(scene.make("/machines", {"name": "one"})["machine"]["id"])


def _member(scene: Scene) -> str:
    return colleague(scene.context, scene.founder, Role.VIEWER).member_id


def _enabling(scene: Scene) -> dict[str, str]:
    secret = scene.make("/account/second-factor", {"password": PASSWORD})["secret"]
    return {"code": pyotp.TOTP(secret).at(scene.clock())}


def _removal(scene: Scene) -> str:
    scene.enroll()
    return factor_removals.begin(scene.context, scene.caller.email).member_id


def _other_session(scene: Scene) -> str:
    sign_in(scene.context, scene.caller.member_id)
    return str(next(each["id"] for each in scene.ask("GET", "/sessions").json["sessions"] if not each["current"]))


def _verification(scene: Scene) -> tuple[str, Any]:
    # There is a relay by now.
    object.__setattr__(scene.context, "sends_mail", True)
    return "/verifications", None


# What each call is sent to and with, once what it takes is there; each succeeds as long as nothing is lost.
WISHES: dict[str, Callable[[Scene], tuple[str, Any]]] = {
    "POST /machines": lambda _: ("/machines", {"name": "new"}),
    "PATCH /machines/{id}": lambda s: (f"/machines/{_machine(s)}", {"groups": ["red"]}),
    "POST /machines/{id}/rotate": lambda s: (f"/machines/{_machine(s)}/rotate", {}),
    "DELETE /machines/{id}": lambda s: (f"/machines/{_machine(s)}", None),
    "PUT /policy": lambda _: ("/policy", {"default": "deny", "rules": []}),
    "POST /policy/rules": lambda _: ("/policy/rules", {"action": "deny", "source": "any", "destination": "any"}),
    "PATCH /policy/rules/{id}": lambda s: (f"/policy/rules/{_rule(s)}", {"action": "allow"}),
    "DELETE /policy/rules/{id}": lambda s: (f"/policy/rules/{_rule(s)}", None),
    "POST /policy/restore": lambda s: (_rule(s) and "/policy/restore", {"version": 1}),
    "PUT /policy/expectations": lambda _: (
        "/policy/expectations",
        [{"source": "group:red", "destination": "any", "verdict": "deny"}],
    ),
    "PATCH /organization": lambda _: ("/organization", {"name": "ours", "plan": "paid"}),
    "DELETE /organization": lambda _: ("/organization", {"confirm": "acme-networks"}),
    "PATCH /members/{id}": lambda s: (f"/members/{_member(s)}", {"role": "owner"}),
    "DELETE /members/{id}": lambda s: (f"/members/{_member(s)}", None),
    "POST /organization/transfer": lambda s: ("/organization/transfer", {"member": _member(s)}),
    "DELETE /account": lambda _: ("/account", {"password": PASSWORD}),
    "POST /invitations": lambda _: ("/invitations", {"email": "new@example.net", "role": "owner"}),
    "DELETE /invitations/{id}": lambda s: (
        "/invitations/" + s.make("/invitations", {"email": "new@example.net"})["invitation"]["id"],
        None,
    ),
    "DELETE /factor-removals/{id}": lambda s: (f"/factor-removals/{_removal(s)}", None),
    "POST /tokens": lambda _: ("/tokens", {"name": "ci", "scope": "write", "password": PASSWORD}),
    "DELETE /tokens/{id}": lambda s: (
        "/tokens/" + s.make("/tokens", {"name": "ci", "password": PASSWORD})["api_token"]["id"],
        None,
    ),
    "DELETE /sessions": lambda s: (_other_session(s) and "/sessions", None),
    "DELETE /sessions/{id}": lambda s: (f"/sessions/{_other_session(s)}", None),
    "PUT /account/password": lambda _: (
        "/account/password",
        {"password": PASSWORD, "new_password": "staple the correct horse"},
    ),
    "POST /account/second-factor": lambda _: ("/account/second-factor", {"password": PASSWORD}),
    "PUT /account/second-factor": lambda s: ("/account/second-factor", _enabling(s)),
    "DELETE /account/second-factor": lambda s: (
        "/account/second-factor",
        {"password": PASSWORD, "code": s.enroll()[0]},
    ),
    "POST /account/recovery-codes": lambda s: (
        "/account/recovery-codes",
        {"password": PASSWORD, "code": s.enroll()[0]},
    ),
    "POST /account/passkeys/options": lambda _: ("/account/passkeys/options", None),
    "POST /account/passkeys": lambda s: ("/account/passkeys", s.passkey()),
    "PATCH /account/passkeys/{id}": lambda s: (f"/account/passkeys/{s.add_passkey()}", {"name": "phone"}),
    "DELETE /account/passkeys/{id}": lambda s: (f"/account/passkeys/{s.add_passkey()}", {"password": PASSWORD}),
    "POST /verifications": _verification,
}


def name_of(row: Route) -> str:
    return f"{row.method} {row.path}"


def test_every_changing_call_is_in_the_list() -> None:
    changing = {name_of(row) for row in ROUTES if row.method != "GET" and not row.access.is_public}
    assert changing - HARMLESS == set(WISHES)


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
    body = {"token": link.rpartition("/")[2], "password": "a password of their own"}
    answer = _ask_and_lose(scene, end, lambda: call(scene.app, "POST", f"{PREFIX}/invitations/accept", body))
    assert answer.status == 404
