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
        self._left: list[str] = []

    @contextmanager
    def of(self, machine: Machine) -> Iterator[None]:
        """Notes whether the block ends all connections that the machine opened before."""
        before = self._opened_by(machine)
        yield
        left = self._opened_by(machine)
        if left:
            self._left.append(f"{left} of {before} connections of {machine.name}")
        else:
            self.ended += before

    def check(self) -> None:
        """Checks that each block so far ended all of them.

        Raises:
            Refuted: one did not.
        """
        if self._left:
            raise Refuted(f"the hub still tracks {'; '.join(self._left)}")

    def _opened_by(self, machine: Machine) -> int:
        try:
            service = self._subject.installed
        except Inconclusive:
            return 0
        namespace = namespace_of(self._organization, run_there(service))
        return tracked.openers(service.host, namespace)[machine.address]
