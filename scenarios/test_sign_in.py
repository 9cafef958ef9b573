"""Log-in, sessions, CSRF protection and rate limits behave as advertised."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import closing

import pytest

from harness.client import authenticator
from harness.client.api import Api
from harness.client.visitor import Visitor
from harness.judging.answer import Answer
from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive, Refuted
from harness.world.person import Person
from harness.world.world import PASSWORD, World

pytestmark = pytest.mark.claim("sign-in")

OTHER = "staple the correct horse"
WRONG = "a wrong guess at it"
# Five guesses at once are allowed; three times as many never are.
MOST_GUESSES = 15
SLOWEST = 1800
# A missing check of 30 ms makes far more difference than any other load of the machine.
LEAST_SHARE = 0.5


def test_a_session_ends_for_good(person: Person, record: Record) -> None:
    """Each log-in has a token of its own, which opens nothing once its session has ended; no session outlives a
    password.
    """
    first, second, third = (person.session() for _ in range(3))
    everybody = {"first": first, "second": second, "third": third}
    with record.control("each session opens the account until it is ended"):
        assert len({each.token for each in everybody.values()}) == 3
        assert all(each.is_open() for each in everybody.values())
    first.call("DELETE", "/sessions/current")
    (listed,) = (each for each in second.call("GET", "/sessions").body["sessions"] if each["current"])
    third.call("DELETE", f"/sessions/{listed['id']}")
    record.none_of(
        "open after their end", [name for name in ("first", "second") if everybody[name].is_open()], "sessions go on"
    )
    changed = third.call("PUT", "/account/password", {"password": PASSWORD, "new_password": OTHER})
    outlived = [name for name, each in {"another": person.api, "the one that asked": third}.items() if each.is_open()]
    record.none_of("open after another password", outlived, "sessions outlived the password")
    person.api.token = changed.body["token"]
    with record.control("the session of the password change opens the account"):
        assert person.api.is_open()
    if person.log_in().status != 401:
        raise Refuted("the old password still opens the account")
    with record.control("the new password opens it"):
        assert person.session(OTHER).is_open()


@pytest.mark.exclusive
def test_password_guesses_are_limited_and_disclose_nothing(person: Person, record: Record) -> None:
    """Wrong passwords for an existing and for an unknown account get the same answers in the same time, and then have
    to wait.
    """
    stranger = Person(person.api, f"{secrets.token_hex(6)}@example.net")
    with record.control("the right password opens the account"):
        assert person.session().is_open()
    known: list[Answer] = []
    unknown: list[Answer] = []
    # By turns, so that other load slows both alike.
    while len(known) < MOST_GUESSES and (not known or known[-1].status == 401 or unknown[-1].status == 401):
        known.append(person.log_in(WRONG))
        unknown.append(stranger.log_in(WRONG))
    guesses = sum(answer.status == 401 for answer in known)
    record.measure("guesses until the limit", guesses, limit=f"< {MOST_GUESSES}")
    if guesses >= MOST_GUESSES:
        raise Refuted(f"{guesses} wrong passwords in a row were all checked")
    refused = person.log_in()
    if refused.status != 429:
        raise Refuted(f"past the limit, the right password was answered {refused.status}")
    wait = int(refused.headers.get("Retry-After", "0"))
    record.measure("time to wait", wait, "s", limit=f"1 to {SLOWEST}")
    if not 1 <= wait <= SLOWEST:
        raise Refuted(f"Retry-After says {wait}")
    texts = [_status_and_text(answer) for answer in known], [_status_and_text(answer) for answer in unknown]
    record.none_of(
        "answers that differ", [pair for pair in zip(*texts, strict=True) if pair[0] != pair[1]], "answers differ"
    )
    times = [min(each.seconds for each in side if each.status == 401) for side in (known, unknown)]
    share = times[1] / times[0]
    record.measure(
        "fastest answer for an unknown account, as a share of an existing one's", share, limit=f">= {LEAST_SHARE}"
    )
    if share < LEAST_SHARE:
        raise Refuted(f"an unknown account is answered in {share:.2f} of the time of an existing one")


def test_no_credential_outlives_a_new_password(world: World, person: Person, record: Record) -> None:
    """An API token can only be made with the password, because a session may be stolen. A new password ends tokens
    unless they are to be kept, and a reset ends them in any case.
    """
    without = {"with a wrong password": {"password": WRONG}, "with none": {}}
    made = [name for name, proof in without.items() if _new_token(person.api, "thief", **proof) is not None]
    record.none_of("tokens made without the password", made, "tokens were made without the password")
    kept, ended = (_new_token(person.api, name, password=PASSWORD) for name in ("kept", "ended"))
    if kept is None or ended is None:
        raise Inconclusive("this service makes no tokens for an account whose address is not verified")
    with record.control("with the password each is made, and opens the account"):
        assert kept.is_open()
        assert ended.is_open()
    change = {"password": PASSWORD, "new_password": OTHER, "keep_tokens": True}
    person.api.token = person.api.call("PUT", "/account/password", change).body["token"]
    with record.control("a token that is to be kept outlives the password"):
        assert kept.is_open()
    change = {"password": OTHER, "new_password": PASSWORD}
    person.api.token = person.api.call("PUT", "/account/password", change).body["token"]
    outlived = [name for name, each in {"kept once": kept, "another": ended}.items() if each.is_open()]
    record.none_of("tokens open after another password", outlived, "tokens outlived the password")
    link = _reset_link(world, person.email)
    record.measure("a reset is tested", link is not None)
    if link is None:
        return
    last = _new_token(person.api, "last", password=PASSWORD)
    with record.control("before the reset a token and a session open the account"):
        assert last is not None
        assert last.is_open()
        assert person.api.is_open()
    person.api.anonymous().call("PUT", "/resets", {"token": link, "password": OTHER})
    again = person.api.anonymous().send("PUT", "/resets", {"token": link, "password": PASSWORD})
    if again.status != 404:
        raise Refuted(f"a reset's link was used before, and was answered {again.status}")
    ways = {"token": last, "session": person.api}
    opened = [name for name, each in ways.items() if each is not None and each.is_open()]
    record.none_of("open after a reset", opened, "sessions or tokens outlived the reset")
    person.api.token = person.session(OTHER).token


def test_a_second_factor_opens_once(person: Person, record: Record) -> None:
    """With a second factor the password alone opens nothing; a code opens the account once, and so does a recovery
    code.

    A log-in that waits for its code on the page opens nothing once the password is another one. Wrong codes there are
    limited, with however many log-ins they are tried.
    """
    owner = person.api
    made = owner.call("POST", "/account/second-factor", {"password": PASSWORD}).body
    with record.control("the password alone opens the account before"):
        assert person.log_in().status == 201
    confirmed = {"code": authenticator.code(made["secret"])}
    enabled = owner.call("PUT", "/account/second-factor", confirmed).body
    owner.token = enabled["token"]
    alone = person.log_in()
    if alone.status == 201:
        raise Refuted("the password alone opens an account that has a second factor")
    if not str(alone.body["type"]).endswith(":code-needed"):
        raise Refuted(f"a client can't tell that a code is needed: {alone.body}")
    # A code of the next step is accepted, so the test need not wait for it.
    code = authenticator.code(made["secret"], steps=1)
    with record.control("the password and a code open it"):
        assert person.log_in(code=code).status == 201
    with record.control("the password and a recovery code open it"):
        assert person.log_in(code=enabled["recovery_codes"][0]).status == 201
    used = {"a code": code, "a recovery code": enabled["recovery_codes"][0], "the set-up's code": confirmed["code"]}
    opened = [what for what, each in used.items() if person.log_in(code=each).status == 201]
    record.none_of("opened twice", opened, "used codes open")
    if person.log_in(WRONG, code=enabled["recovery_codes"][1]).status != 401:
        raise Refuted("a code opens the account without the password")
    _check_codes_on_the_page(person, enabled["recovery_codes"][2:], record)


def _check_codes_on_the_page(person: Person, codes: Sequence[str], record: Record) -> None:
    """Checks log-ins in two steps: another password ends those that wait for their code, and wrong codes are limited.

    Args:
        codes: recovery codes that were not used.
    """
    owner = person.api
    shown = "the page opens the account with a code after the password"
    with closing(owner.visitor()) as browser, record.control(shown):
        assert _enter_password(browser, person, PASSWORD) == 303
        assert browser.session is None
        assert _enter_code(browser, codes[0]) == 303
        assert browser.session is not None
    with closing(owner.visitor()) as browser:
        _enter_password(browser, person, PASSWORD)
        change = {"password": PASSWORD, "new_password": OTHER}
        owner.token = owner.call("PUT", "/account/password", change).body["token"]
        status = _enter_code(browser, codes[1])
        if status == 303 or browser.session is not None:
            raise Refuted("a log-in that waited for its code outlived the password")
        guesses = 0
        while guesses < MOST_GUESSES and _enter_password(browser, person, OTHER) == 303:
            if _enter_code(browser, WRONG) != 401:
                break
            guesses += 1
    record.measure("wrong codes until the limit", guesses, limit=f"< {MOST_GUESSES}")
    if guesses >= MOST_GUESSES:
        raise Refuted(f"{guesses} wrong codes in a row were all checked, with a log-in for each")


def _enter_password(browser: Visitor, person: Person, password: str) -> int:
    """Returns the status of the answer: 303 leads to the page for the code."""
    return browser.fill_in("/login", "/login", email=person.email, password=password).status_code


def _enter_code(browser: Visitor, code: str) -> int:
    """Returns the status of the answer: 303 leads into the account."""
    return browser.fill_in("/login/code", "/login/code", code=code).status_code


def _new_token(api: Api, name: str, **proof: str) -> Api | None:
    """Makes an API token, and returns a client with it; None if the service refused."""
    answer = api.send("POST", "/tokens", {"name": name, "scope": "read", **proof})
    if answer.status != 201:
        return None
    program = api.anonymous()
    program.token = answer.body["token"]
    return program


def _reset_link(world: World, email: str) -> str | None:
    """Returns the token of a password reset; None if the service is not ours."""
    try:
        service = world.subject.service
    except Inconclusive:
        return None
    return service.reset_link(email)


def _status_and_text(answer: Answer) -> tuple[int, str]:
    """Returns status and words of an answer, without the time to wait."""
    body = answer.body
    return answer.status, body["detail"] if answer.status == 401 else body["type"]
