"""Members of organizations and their API tokens, for scenarios about log-in."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from harness.client.api import Api
from harness.judging.answer import Answer
from harness.judging.verdicts import Inconclusive
from harness.world.world import PASSWORD, World


@dataclass(frozen=True)
class Person:
    """A member of an organization.

    Attributes:
        api: client with a session of the member.
        email: address of the member.
    """

    api: Api
    email: str

    def log_in(self, password: str = PASSWORD, **more: str) -> Answer:
        """Tries to log in, and returns the answer."""
        return self.api.anonymous().send("POST", "/sessions", {"email": self.email, "password": password, **more})

    def session(self, password: str = PASSWORD, **more: str) -> Api:
        """Logs in, and returns a client with the new session."""
        answer = self.log_in(password, **more)
        assert answer.status == 201, answer.body
        api = self.api.anonymous()
        api.token = answer.body["token"]
        return api


def new_token(member: Api, name: str, scope: str, **more: int) -> Api:
    """Makes an API token of a member, and returns a client with it.

    Args:
        member: client with a session of the member, whose password is `PASSWORD`.
        more: other fields of the request.
    """
    program = member.anonymous()
    body = {"name": name, "scope": scope, "password": PASSWORD, **more}
    program.token = member.call("POST", "/tokens", body).body["token"]
    return program


def invitation(owner: Api, email: str, role: str) -> str:
    """Invites somebody into an organization, and returns the token of the link.

    Args:
        owner: client with a session of the inviting owner.
        role: ``owner``, ``admin`` or ``viewer``.

    Raises:
        Inconclusive: the service sends invitations by mail.
    """
    link = owner.call("POST", "/invitations", {"email": email, "role": role}).body["link"]
    if link is None:
        raise Inconclusive("this service sends invitations by mail, and nobody here reads it")
    return str(link).rpartition("/")[2]


def accept(owner: Api, link: str) -> Answer:
    """Sends what accepts an invitation, with `PASSWORD`.

    Args:
        owner: any client of the service.
        link: token of the link.
    """
    return owner.anonymous().send("POST", "/invitations/accept", {"token": link, "password": PASSWORD})


def new_member(owner: Api, role: str) -> Person:
    """Makes a new member of an organization, whose password is `PASSWORD`; arguments and errors are `invitation`'s."""
    email = f"{secrets.token_hex(6)}@example.net"
    answer = accept(owner, invitation(owner, email, role))
    if answer.status != 201:
        raise Inconclusive(f"an invitation was not accepted: {answer.status} {answer.body}")
    api = owner.anonymous()
    api.token = answer.body["token"]
    return Person(api, email)


@contextmanager
def new_owner(world: World) -> Iterator[Person]:
    """Makes an owner of a new organization, and deletes the organization afterwards."""
    api = world.subject.api()
    email = f"{secrets.token_hex(6)}@example.net"
    api.sign_up(email, PASSWORD, "sign-in")
    yield Person(api, email)
    api.call("DELETE", "/organization", {"confirm": "sign-in"})
