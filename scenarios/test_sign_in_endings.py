"""Each way in which rights end ends them: sessions, tokens, roles, links and codes open nothing afterwards."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial

import httpx
import pytest

from harness.client import authenticator
from harness.client.api import Api
from harness.judging.answer import Answer
from harness.judging.record import Record
from harness.world.person import Person, accept, invitation, new_member, new_token
from harness.world.world import PASSWORD

pytestmark = pytest.mark.claim("sign-in")

_HANDED_OVER = "hands the organization over"
Opens = Callable[[], bool]
"""Tries a right, and tells whether it opens anything."""


@dataclass(frozen=True)
class Ending:
    """A way in which rights end.

    Attributes:
        how: the way in words.
        end: ends them.
        ended: what opens nothing afterwards, and did before.
        kept: what goes on.
    """

    how: str
    end: Callable[[], object]
    ended: Mapping[str, Opens]
    kept: Mapping[str, Opens] = field(default_factory=dict)


def test_each_way_in_which_rights_end_ends_them(person: Person, record: Record) -> None:
    """Tokens are revoked, sessions ended and logged out of, members removed and made viewers; they leave, and hand the
    organization over; a second factor and new recovery codes end what was before. Nothing of it opens anything
    afterwards, and everything else does. The rights of an organization's last owner can't be given up.
    """
    own = f"/members/{_id_of(person.api, person)}"
    given_up = [
        f"{method} {path}"
        for method, path, body in (("PATCH", own, {"role": "viewer"}), ("DELETE", "/account", {"password": PASSWORD}))
        if person.api.send(method, path, body).status != httpx.codes.CONFLICT
    ]
    record.none_of("ways to give up the last owner's rights", given_up, "an organization may be left without an owner")
    opened, lost = [], []
    endings = 0
    for each in _endings(person):
        endings += 1
        with record.control(f"before {each.how} all of it opens"):
            assert all(opens() for opens in (*each.ended.values(), *each.kept.values()))
        each.end()
        opened += [f"{what}, after {each.how}" for what, opens in each.ended.items() if opens()]
        lost += [f"{what}, after {each.how}" for what, opens in each.kept.items() if not opens()]
    record.measure("ways in which rights end", endings)
    record.none_of("open after their end", opened, "rights outlived their end")
    record.none_of("ended with others", lost, "rights ended with those of others")


def test_an_invitation_is_for_one_and_ends_with_its_maker(person: Person, record: Record) -> None:
    """An invitation opens nothing once it was accepted or revoked, nor once the owner who made it was removed, was made
    a viewer, has left, or has handed the organization over.
    """
    owner = person.api
    links = {"accepted": _invite(owner), "revoked": _invite(owner)}
    with record.control("a link is accepted"):
        assert _is_made(accept(owner, links["accepted"]))
    (pending,) = owner.call("GET", "/invitations").body["invitations"]
    owner.call("DELETE", f"/invitations/{pending['id']}")
    for how, end in _ENDS_OF_OWNERS.items():
        maker = new_member(owner, "owner")
        links[f"of an owner who {how}"] = _invite(maker.api)
        end(owner, maker)
    stays = new_member(owner, "owner")
    of_another = _invite(stays.api)
    taken = [how for how, link in links.items() if _is_made(accept(owner, link))]
    record.none_of("accepted after their end", taken, "an invitation outlived its end")
    with record.control("the link of an owner who stays is accepted"):
        assert _is_made(accept(owner, of_another))


def _endings(owner: Person) -> Iterator[Ending]:
    api = owner.api
    revoked, other = (new_token(api, name, "read") for name in ("revoked", "other"))
    ids = {each["name"]: each["id"] for each in api.call("GET", "/tokens").body["tokens"]}
    yield Ending(
        "a token is revoked",
        lambda: api.call("DELETE", f"/tokens/{ids['revoked']}"),
        {"the token": revoked.is_open},
        {"another token": other.is_open, "the session": api.is_open},
    )
    elsewhere = owner.session()
    yield Ending(
        "other sessions are ended",
        lambda: api.call("DELETE", "/sessions"),
        {"another session": elsewhere.is_open},
        {"the session that asked": api.is_open, "a token": other.is_open},
    )
    with closing(api.visitor()) as browser:
        browser.log_in(owner.email, PASSWORD)
        shown = _with_token(api, browser.session)
        yield Ending(
            "a log-out on the page",
            lambda: browser.fill_in("/machines", "/logout"),
            {"the browser's session": shown.is_open},
            {"another session": api.is_open},
        )
    for how, end in _ENDS_OF_OWNERS.items():
        other_owner = new_member(api, "owner")
        rights = {"that owner's session": _manages(other_owner.api)}
        if how != _HANDED_OVER:
            # A former owner is an admin then, whose token may write.
            rights["that owner's token"] = _changes(new_token(other_owner.api, "token", "write"))
        yield Ending(f"an owner {how}", partial(end, api, other_owner), rights, {"another owner's": _manages(api)})
    yield from _of_second_factor(new_member(api, "viewer"))


def _of_second_factor(person: Person) -> Iterator[Ending]:
    """Turns a second factor on, and makes new recovery codes."""
    api, elsewhere = person.api, person.session()
    codes: list[str] = []

    def turn_on() -> None:
        secret = api.call("POST", "/account/second-factor", {"password": PASSWORD}).body["secret"]
        enabled = api.call("PUT", "/account/second-factor", {"code": authenticator.code(secret)}).body
        api.token = enabled["token"]
        codes.extend(enabled["recovery_codes"])

    yield Ending(
        "a second factor is turned on",
        turn_on,
        {"another session": elsewhere.is_open, "the password alone": lambda: _is_made(person.log_in())},
    )
    # Each code opens once, so that another one is tried each time.
    yield Ending(
        "new recovery codes are made",
        lambda: api.call("POST", "/account/recovery-codes", {"password": PASSWORD, "code": codes.pop()}),
        {"an earlier code": lambda: _is_made(person.log_in(code=codes.pop()))},
    )


def _manages(owner: Api) -> Opens:
    return lambda: owner.send("GET", "/invitations").status == httpx.codes.OK


def _changes(writer: Api) -> Opens:
    """Makes a try to change something, which changes nothing."""
    return lambda: writer.send("PUT", "/policy/expectations", []).status == httpx.codes.OK


def _is_made(answer: Answer) -> bool:
    return answer.status == httpx.codes.CREATED


def _invite(owner: Api) -> str:
    return invitation(owner, f"{secrets.token_hex(6)}@example.net", "viewer")


def _with_token(api: Api, token: str | None) -> Api:
    """Returns a client with the token that a browser's cookie has."""
    client = api.anonymous()
    client.token = token
    return client


def _hand_over(owner: Api, other: Person) -> None:
    """Has an owner hand the organization over to a viewer, so that the former owner is an admin."""
    heir = new_member(owner, "viewer")
    other.api.call("POST", "/organization/transfer", {"member": _id_of(owner, heir)})


def _id_of(owner: Api, person: Person) -> str:
    (found,) = (each for each in owner.call("GET", "/members").body["members"] if each["email"] == person.email)
    return str(found["id"])


_ENDS_OF_OWNERS: dict[str, Callable[[Api, Person], object]] = {
    "is removed": lambda owner, other: owner.call("DELETE", f"/members/{_id_of(owner, other)}"),
    "is made a viewer": lambda owner, other: owner.call(
        "PATCH", f"/members/{_id_of(owner, other)}", {"role": "viewer"}
    ),
    "leaves": lambda _, other: other.api.call("DELETE", "/account", {"password": PASSWORD}),
    _HANDED_OVER: _hand_over,
}
