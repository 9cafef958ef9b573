"""End of the tracked connections of a machine that is removed or disabled, or gets a new key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from harness.judging.verdicts import Inconclusive, Refuted
from harness.overlay.machine import Machine
from harness.subject import tracked
from harness.subject.subject import Subject
from harness.world.proving import namespace_of, run_there


class Forgetting:
    """Looks at what the hub tracks of machines of one organization.

    Args:
        subject: the hub. Where nobody here can look at its host, nothing is tracked as far as this can tell.
        organization: id of the organization.

    Attributes:
        ended: number of connections that were tracked, and are no more.
    """

    def __init__(self, subject: Subject, organization: str) -> None:
        self._subject = subject
        self._organization = organization
        self.ended = 0

    @contextmanager
    def of(self, machine: Machine) -> Iterator[None]:
        """Checks that the block ends all connections that the machine opened before.

        Raises:
            Refuted: the hub still tracks some.
        """
        before = self._opened_by(machine)
        yield
        if left := self._opened_by(machine):
            raise Refuted(f"the hub still tracks {left} of {before} connections of {machine.name}")
        self.ended += before

    def _opened_by(self, machine: Machine) -> int:
        try:
            service = self._subject.installed
        except Inconclusive:
            return 0
        namespace = namespace_of(self._organization, run_there(service))
        return tracked.openers(service.host, namespace)[machine.address]
