"""Each call answers those who may make it: by role, by the scope of an API token, and nobody without either."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from harness.client.api import Api
from harness.judging.record import Record
from harness.judging.verdicts import Refuted
from harness.overlay.mesh import Mesh
from harness.world.person import Person, new_member, new_token
from harness.world.world import World

pytestmark = pytest.mark.claim("sign-in")

# What is advertised. Everything that is not named here is for machines and policy: everybody reads it, and owners and
# admins change it, by session or by a token that may write.
PUBLIC = frozenset(
    {
        ("POST", "/signup"),
        ("POST", "/signup/letters"),
        ("POST", "/sessions"),
        ("POST", "/sessions/passkey"),
        ("POST", "/sessions/passkey/options"),
        ("POST", "/resets"),
        ("PUT", "/resets"),
        ("PUT", "/verifications"),
        ("POST", "/invitations/accept"),
    }
)
OWN_ACCOUNT = ("/account", "/sessions", "/tokens", "/verifications")
"""Beginnings of the paths of everybody's own account: a session is needed, of whatever role."""
OWNERS = ("/invitations", "/factor-removals", "/organization/transfer")
"""Beginnings of paths for owners alone, with a session."""
OWNERS_CHANGE = ("/organization", "/members")
"""Beginnings of paths that everybody reads and owners alone change, with a session."""
READS = frozenset({("POST", "/policy/check"), ("POST", "/policy/preview")})
"""Calls that read, whatever their method."""
_LAST = (("DELETE", "/sessions"), ("DELETE", "/sessions/current"))
"""Calls that end sessions of the caller's."""
_UNAUTHENTICATED, _FORBIDDEN = 401, 403


@dataclass(frozen=True)
class Caller:
    """Member with a session or an API token.

    Attributes:
        name: the caller in words.
        api: client with the session or token.
        role: role of the member.
        scope: scope of the API token; None for a session.
    """

    name: str
    api: Api
    role: str
    scope: str | None = None

    def may(self, method: str, path: str) -> bool:
        """Returns True if what is advertised lets the caller make this call."""
        if path.startswith(OWN_ACCOUNT):
            return self.scope is None
        is_read = method == "GET" or (method, path) in READS
        if path.startswith(OWNERS) or (path.startswith(OWNERS_CHANGE) and not is_read):
            return self.role == "owner" and self.scope is None
        return is_read or (self.role in ("owner", "admin") and self.scope in (None, "write"))


def test_each_call_answers_those_who_may_make_it(world: World, record: Record) -> None:
    """Every call of the API is sent without a session, by a member of each role, and with a token of each scope. It is
    refused to those who may not make it, and to nobody else. An invitation makes a member of its role.
    """
    owner = f"{secrets.token_hex(6)}@example.net"
    mesh = world.organization(record, email=owner)
    person = Person(mesh.api, owner)
    callers = list(_callers(person))
    document: dict[str, Any] = mesh.api.call("GET", "/openapi.json").body["paths"]
    calls = [(method.upper(), path) for path, methods in document.items() for method in methods]
    calls = [each for each in calls if each not in _LAST] + list(_LAST)
    before = _shown(mesh)
    stranger = mesh.api.anonymous()
    let_in = [f"{method} {path}" for method, path in calls if _is_let_in(stranger, method, path)]
    open_to_all = {f"{method} {path}" for method, path in PUBLIC}
    record.none_of("calls without a session", sorted({*let_in} - open_to_all), "calls were answered without a session")
    wrong = [
        f"{method} {path} by {caller.name}: {'refused' if may else 'let in'}"
        for method, path in calls
        if (method, path) not in PUBLIC
        for caller in callers
        if _is_let_in(caller.api, method, path) != (may := caller.may(method, path))
    ]
    record.measure("callers", [each.name for each in callers])
    record.at_least("calls that some may not make", sum(not _is_for_all(callers, *each) for each in calls), 40)
    record.none_of("wrong", wrong, "calls were not answered by the caller's rights")
    mesh.api.token = person.session().token
    if _shown(mesh) != before:
        raise Refuted("calls without content have changed the organization")


def _callers(owner: Person) -> Iterator[Caller]:
    """Makes members of each role, and returns them and their tokens of each scope."""
    for role, api in (
        ("owner", owner.session()),
        ("admin", new_member(owner.api, "admin").api),
        ("viewer", new_member(owner.api, "viewer").api),
    ):
        yield Caller(f"the {role}", api, role)
        for scope in ("read",) if role == "viewer" else ("read", "write"):
            yield Caller(f"a token of the {role} to {scope}", new_token(api, scope, scope), role, scope)


def _is_let_in(api: Api, method: str, path: str) -> bool:
    """Sends a call that names nothing and has no content; returns True if nothing but that is wrong with it."""
    status = api.send(method, path.replace("{month}", "2000-01").replace("{id}", "nobody"), {}).status
    return status not in (_UNAUTHENTICATED, _FORBIDDEN)


def _is_for_all(callers: list[Caller], method: str, path: str) -> bool:
    return (method, path) in PUBLIC or all(each.may(method, path) for each in callers)


def _shown(mesh: Mesh) -> list[Any]:
    paths = ("/organization", "/members", "/machines", "/policy", "/policy/expectations", "/invitations")
    return [mesh.api.call("GET", path).body for path in paths]
