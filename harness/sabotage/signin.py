"""Breaks of what protects sign-in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from appliance.model.organization import Member
from appliance.service import sessions
from appliance.store import second_factors
from appliance.web import request
from appliance.web.limits import RateLimits


def trust_every_cookie() -> None:
    """A change by cookie is taken with any token, or none."""

    def matches(held: str, shown: str) -> bool:
        del held, shown
        return True

    request.matches_csrf = matches


def count_no_guesses() -> None:
    """Wrong passwords and codes are not counted."""

    @contextmanager
    def guessing(self: RateLimits, address: str, email: str) -> Iterator[None]:
        del self, address, email
        yield

    RateLimits.guessing = guessing  # type: ignore[method-assign]


def keep_sessions() -> None:
    """Another password ends no session."""

    def end_every(transaction: Connection, member: Member) -> None:
        del transaction, member

    sessions.end_every = end_every


def take_codes_again() -> None:
    """Nobody remembers which codes were taken."""

    def use_step(transaction: Connection, member_id: str, sealed_secret: bytes, step: int) -> bool:
        del transaction, member_id, sealed_secret, step
        return True

    second_factors.use_step = use_step
