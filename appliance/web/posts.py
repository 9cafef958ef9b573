"""Repeated posts: all forms, and API calls without a session.

A post that is sent again while the first is in progress waits for its answer, whoever sends it. Later, the store knows
the results of members' posts (`service.repeats`), and keeps nothing about strangers. What it does not know is noted
here, in memory that is bounded for each caller and in all, and lost with the process.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from appliance.model.errors import InProgress

MOST_OF_ONE = 64
"""Most remembered posts of a caller; the oldest is forgotten first."""
MOST_CALLERS = 1024
"""Most remembered callers; the least recently active one is forgotten first."""
_PATIENCE_S = 60.0

Answer = TypeVar("Answer")
Noted = TypeVar("Noted")


@dataclass
class _Flight(Generic[Answer]):
    """A post in progress."""

    landed: threading.Event = field(default_factory=threading.Event)
    answer: Answer | None = None
    error: BaseException | None = None


class Posts(Generic[Answer, Noted]):
    """Idempotent posts; thread-safe.

    A post that comes while an equal one is in progress gets the same answer, secrets included: it has the same cookies
    and the same content. A later one gets what was noted.

    Attributes:
        counted: numbers of repetitions that ``joined`` a post in progress or were ``told`` its note, and of notes that
            were ``forgotten`` because memory is bounded.
    """

    def __init__(
        self, *, most_of_one: int = MOST_OF_ONE, most_callers: int = MOST_CALLERS, patience_s: float = _PATIENCE_S
    ) -> None:
        self._most_of_one = most_of_one
        self._most_callers = most_callers
        self._patience_s = patience_s
        self._flights: dict[bytes, _Flight[Answer]] = {}
        self._notes: OrderedDict[str, OrderedDict[bytes, Noted]] = OrderedDict()
        self._lock = threading.Lock()
        self.counted: Counter[str] = Counter()

    def answer(self, flight: bytes, work: Callable[[], Answer]) -> Answer:
        """Do the work, or wait for the thread that does it already and return its answer.

        Args:
            flight: digest of everything that makes posts equal, including the caller's cookies.

        Raises:
            InProgress: the other thread takes too long.
        """
        with self._lock:
            known = self._flights.get(flight)
            if known is None:
                mine = self._flights[flight] = _Flight()
            else:
                self.counted["joined"] += 1
        if known is not None:
            return self._joined(known)
        try:
            answer = mine.answer = work()
        except BaseException as error:
            mine.error = error
            raise
        else:
            return answer
        finally:
            with self._lock:
                del self._flights[flight]
            mine.landed.set()

    def _joined(self, flight: _Flight[Answer]) -> Answer:
        if not flight.landed.wait(self._patience_s) or flight.answer is None:
            if isinstance(flight.error, Exception):
                raise flight.error
            raise InProgress("The same form is being worked on. Look in a moment whether it was done.", retry_after=1)
        return flight.answer

    def find(self, caller: str, post: bytes) -> Noted | None:
        """Find the note of an earlier, equal post.

        Args:
            post: digest of its content.
        """
        with self._lock:
            posts = self._notes.get(caller)
            noted = None if posts is None else posts.get(post)
            if noted is not None:
                self.counted["told"] += 1
        return noted

    def note(self, caller: str, post: bytes, noted: Noted) -> None:
        """Keep a note of a post's result."""
        with self._lock:
            posts = self._notes.setdefault(caller, OrderedDict())
            self._notes.move_to_end(caller)
            posts[post] = noted
            if len(posts) > self._most_of_one:
                posts.popitem(last=False)
                self.counted["forgotten"] += 1
            if len(self._notes) > self._most_callers:
                _, dropped = self._notes.popitem(last=False)
                self.counted["forgotten"] += len(dropped)

    def __len__(self) -> int:
        """Number of posts that are remembered."""
        with self._lock:
            return sum(map(len, self._notes.values()))
