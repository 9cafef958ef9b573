"""Sessions, API tokens and links end with their time."""

from __future__ import annotations

import secrets

import pytest

from harness.judging.record import Record
from harness.judging.verdicts import Refuted
from harness.subject.service import Service
from harness.world.person import Person, accept, invitation, new_member, new_token
from harness.world.world import PASSWORD, World

pytestmark = pytest.mark.claim("sign-in")

# What is advertised, in hours.
IDLE, ABSOLUTE = 12, 14 * 24
TOKEN_DAYS = 3
STEP = 11.5
"""Hours that pass between two uses, a little less than a session may be idle."""
INVITATION, RESET = 7 * 24, 1
"""Hours in which a link is good."""
_MARGIN = 0.1
"""Hours: on a busy machine, a run itself takes some minutes."""


def test_sessions_and_tokens_end_with_their_time(world: World, person: Person, record: Record) -> None:
    """Time passes for an account: its sessions and tokens get older in the store. One session is used all the time, and
    ends after two weeks; one is not, and ends after twelve hours. A token ends on its day, whether it is used or not.
    """
    used, idle, last = (person.session() for _ in range(3))
    token, unused = (new_token(person.api, name, "read", days=TOKEN_DAYS) for name in ("used", "unused"))
    everybody = {"the session in use": used, "the idle session": idle, "the token in use": token}
    ends = {"the session in use": ABSOLUTE, "the idle session": IDLE, "the token in use": 24 * TOKEN_DAYS}
    with record.control("all of them open the account at first"):
        assert all(each.is_open() for each in (*everybody.values(), unused, last))
    passed, left = 0.0, set(everybody)
    while passed < ABSOLUTE:
        _pass_time(world.subject.service, person, STEP)
        passed += STEP
        # The idle session is looked at when it must have ended, and before that not at all.
        looked_at = [name for name in left if name != "the idle session" or passed > IDLE]
        for name in looked_at:
            is_open, must_end = everybody[name].is_open(), passed >= ends[name] + _MARGIN
            if is_open and must_end:
                raise Refuted(f"{name} is open after {passed} hours, and has to end after {ends[name]}")
            if not is_open and passed < ends[name] - _MARGIN:
                raise Refuted(f"{name} has ended after {passed} hours, and may be used for {ends[name]}")
            left -= set() if is_open else {name}
    record.none_of("open after their time", sorted(left), "sessions or tokens outlived their time")
    opened = [name for name, each in {"a token": unused, "a session": last}.items() if each.is_open()]
    record.none_of("open after their time, and never used", opened, "sessions or tokens outlived their time")
    record.measure("hours that passed", passed)
    with record.control("the password opens the account"):
        person.api.token = person.session().token


def test_links_end_with_their_time(world: World, person: Person, record: Record) -> None:
    """Time passes for links of invitations and of new passwords: each is good until its end, and never after."""
    outlived = []
    for hours, is_over in ((-_MARGIN, False), (_MARGIN, True)):
        forgetful = new_member(person.api, "viewer")
        reset = {"token": world.subject.service.reset_link(forgetful.email), "password": PASSWORD[::-1]}
        _make_links_older(world, "tickets", "member_id IN (SELECT id", forgetful, RESET + hours)
        # Last, as another invitation removes those that are over.
        link = invitation(person.api, f"{secrets.token_hex(6)}@example.net", "viewer")
        _make_links_older(
            world, "invitations", "organization_id IN (SELECT organization_id", person, INVITATION + hours
        )
        statuses = {
            "an invitation": accept(person.api, link).status,
            "a new password": person.api.anonymous().send("PUT", "/resets", reset).status,
        }
        used = [what for what, status in statuses.items() if 200 <= status < 300]
        if is_over:
            outlived += used
        else:
            with record.control("each link is good until its end"):
                assert len(used) == len(statuses), statuses
    record.none_of("used after their end", outlived, "links outlived their time")


def _make_links_older(world: World, table: str, whose: str, person: Person, hours: float) -> None:
    """Makes the links of a person, or of their organization, older."""
    with world.subject.service.stored() as database:
        database.exec_driver_sql(
            f"UPDATE {table} SET expires_at = expires_at - {3600 * hours}"  # noqa: S608 - drawn by ourselves
            f" WHERE {whose} FROM members WHERE email = '{person.email}')"
        )


def _pass_time(service: Service, person: Person, hours: float) -> None:
    """Makes an account's sessions and tokens older, as if time had passed."""
    whose = f"member_id IN (SELECT id FROM members WHERE email = '{person.email}')"  # noqa: S608 - drawn by ourselves
    times = {"sessions": ("created_at", "last_seen_at", "expires_at"), "api_tokens": ("created_at", "expires_at")}
    with service.stored() as database:
        for table, columns in times.items():
            older = ", ".join(f"{column} = {column} - {3600 * hours}" for column in columns)
            database.exec_driver_sql(f"UPDATE {table} SET {older} WHERE {whose}")  # noqa: S608
