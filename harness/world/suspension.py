"""Suspension of an organization by the operator's command, and what its people must not do meanwhile."""

from __future__ import annotations

import httpx

from harness.client.api import Api
from harness.judging.verdicts import Inconclusive, Refuted
from harness.subject.subject import Subject
from harness.world.person import Person, new_token


class Suspension:
    """Suspends and resumes an organization of the lab's own service.

    Args:
        subject: the hub.
        owner: an owner of the organization, whose session `end` makes anew.
        organization: its id.

    Attributes:
        is_on: True while the organization is suspended.
    """

    def __init__(self, subject: Subject, owner: Person, organization: str) -> None:
        self._subject = subject
        self._owner = owner
        self._organization = organization
        self._program: Api | None = None
        self.is_on = False

    @property
    def is_possible(self) -> bool:
        """False if nobody here can give the operator's commands."""
        try:
            _ = self._subject.service
        except Inconclusive:
            return False
        return True

    def begin(self) -> None:
        """Suspends the organization; its owner has a session and an API token by then.

        Raises:
            Inconclusive: the command can't be given, or the session and the token open nothing before.
        """
        service = self._subject.service
        if self._program is None:
            self._program = new_token(self._owner.api, "before the suspension", "write")
        if not (self._owner.api.is_open() and self._program.is_open()):
            raise Inconclusive("the owner's session and token open nothing before the suspension")
        service.operate("admin", "suspend", self._organization, failure="the organization was not suspended")
        self.is_on = True

    def end(self) -> None:
        """Resumes the organization, and signs its owner in.

        Raises:
            Refuted: the owner can't sign in, or the token does not hold any more.
            Inconclusive: the command failed.
        """
        service = self._subject.service
        service.operate("admin", "resume", self._organization, failure="the organization was not resumed")
        self.is_on = False
        answer = self._owner.log_in()
        if answer.status != httpx.codes.CREATED:
            raise Refuted(f"a log-in after the suspension was answered {answer.status}: {answer.body}")
        self._owner.api.token = answer.body["token"]
        if self._program is not None and not self._program.is_open():
            raise Refuted("a token opens nothing after the suspension")

    def check_calls(self) -> None:
        """Checks that the owner calls nothing and can't sign in.

        Raises:
            Refuted: the session, the token or the password opens something.
        """
        ways = {"a session": self._owner.api, "a token": self._program}
        for what, api in ways.items():
            if api is not None and api.is_open():
                raise Refuted(f"{what} of a suspended organization is answered")
        status = self._owner.log_in().status
        if status != httpx.codes.FORBIDDEN:
            raise Refuted(f"a log-in to a suspended organization was answered {status}")
