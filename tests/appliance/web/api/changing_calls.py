"""Every call that changes something, with an owner who is about to make it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import bottle
import pyotp
from sqlalchemy import Connection, select

from appliance.model.organization import Role
from appliance.service import Actor, Context, api_tokens, factor_removals
from appliance.store import Store, schema
from appliance.web.api.reply import PREFIX
from tests.appliance.authenticator import Authenticator
from tests.appliance.clocks import Clock
from tests.appliance.fakes import FakeHub
from tests.appliance.members import PASSWORD, colleague, sign_in
from tests.appliance.rows import everything
from tests.appliance.web.client import Response, call

SITE = "https://mesh.example.net"


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
    clock: Clock[datetime]
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

    def trail(self) -> list[str]:
        """Reads the actions of all entries of audit trails, oldest first."""
        with self.context.store.read() as transaction:
            return list(transaction.execute(select(schema.audit.c.action).order_by(schema.audit.c.id)).scalars())


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

# Actions of the entries that each call leaves in the audit trail.
ENTRIES: dict[str, tuple[str, ...]] = {
    "POST /machines": ("machine.added",),
    "PATCH /machines/{id}": ("machine.changed",),
    "POST /machines/{id}/rotate": ("machine.rotated",),
    "DELETE /machines/{id}": ("machine.removed",),
    "PUT /policy": ("policy.saved",),
    "POST /policy/rules": ("policy.saved",),
    "PATCH /policy/rules/{id}": ("policy.saved",),
    "DELETE /policy/rules/{id}": ("policy.saved",),
    "POST /policy/restore": ("policy.saved",),
    "PUT /policy/expectations": ("policy.expected",),
    "PATCH /organization": ("organization.changed",),
    "PATCH /members/{id}": ("member.changed",),
    "DELETE /members/{id}": ("member.removed",),
    "POST /organization/transfer": ("organization.transferred",),
    "DELETE /account": ("member.left",),
    "POST /invitations": ("member.invited",),
    "DELETE /invitations/{id}": ("invitation.revoked",),
    "DELETE /factor-removals/{id}": ("factor-removal.stopped",),
    "POST /tokens": ("token.issued",),
    "DELETE /tokens/{id}": ("token.revoked",),
    "DELETE /sessions": ("session.ended",),
    "DELETE /sessions/{id}": ("session.ended",),
    "PUT /account/password": ("password.changed",),
    "PUT /account/second-factor": ("second-factor.enabled",),
    "DELETE /account/second-factor": ("recovery-code.used", "second-factor.disabled"),
    "POST /account/recovery-codes": ("recovery-code.used", "recovery-codes.made"),
    "POST /account/passkeys": ("passkey.added",),
    "PATCH /account/passkeys/{id}": ("passkey.renamed",),
    "DELETE /account/passkeys/{id}": ("passkey.removed",),
}

# The first one takes the trail with it, and the others open nothing yet.
NO_ENTRY = {
    "DELETE /organization",
    "POST /account/second-factor",
    "POST /account/passkeys/options",
    "POST /verifications",
}
