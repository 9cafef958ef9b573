"""`admin factors`: removal of a lost second factor, with and without a running service."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pyotp
import pytest

from appliance.cli.errors import Exit
from tests.appliance.cli.started import Run, answer, assert_refused, call, meshwg, sign_up, start
from tests.appliance.mail.mailbox import Mailbox
from tests.appliance.members import PASSWORD
from tests.appliance.sealed import OLD
from tests.waiting import wait_until

EMAIL = "owner@acme.example"


pytestmark = pytest.mark.timeout(600)


@pytest.mark.long
def test_a_removal_begins_and_stops_under_a_running_service(data: Path, runs: list[Run]) -> None:
    run = start(runs, data, MESHWG_UNLOCK_SECRET=OLD)
    run.wait_until_ready()
    organization, token = sign_up("acme")
    assert_refused(meshwg(data, "admin", "factors", "remove", EMAIL), Exit.REFUSED)
    token = enroll(token)
    done = meshwg(data, "admin", "factors", "remove", EMAIL)
    assert done.returncode == 0, done.stderr
    assert f"{EMAIL} are removed at 20" in done.stdout
    (waiting,) = answer(data, "admin", "factors", "list")["factor_removals"]
    assert (waiting["email"], waiting["organization"]) == (EMAIL, organization)
    told = meshwg(data, "admin", "factors", "list").stdout.splitlines()
    assert told[0].startswith(f"{EMAIL}  takes effect 20")
    assert told[1:] == ["1 removal; times are UTC."]
    (seen,) = call("GET", "/api/v1/factor-removals", token=token)[1]["factor_removals"]
    assert (seen["email"], seen["due_at"]) == (EMAIL, waiting["due_at"])
    assert call("DELETE", f"/api/v1/factor-removals/{seen['id']}", token=token)[0] == 204
    assert_refused(meshwg(data, "admin", "factors", "keep", EMAIL), Exit.NO_INPUT)
    assert run.stop() == 0


@pytest.mark.long
def test_a_removal_due_without_a_service_takes_effect_later(data: Path, runs: list[Run]) -> None:
    run = start(runs, data, MESHWG_UNLOCK_SECRET=OLD)
    run.wait_until_ready()
    enroll(sign_up("acme")[1])
    assert run.stop() == 0
    # Without a service the operator can begin it, too.
    assert meshwg(data, "admin", "factors", "remove", EMAIL).returncode == 0
    with closing(sqlite3.connect(data / "store" / "meshwg.sqlite")) as store, store:
        store.execute("UPDATE factor_removals SET due_at = ?", (time.time(),))
    with Mailbox.open() as mailbox:
        options = (f"--smtp-url=smtp://127.0.0.1:{mailbox.port}", "--mail-from=hub@mesh.example")
        run = start(runs, data, *options, MESHWG_UNLOCK_SECRET=OLD)
        run.wait_until_ready()
        wait_until(lambda: call("POST", "/api/v1/sessions", {"email": EMAIL, "password": PASSWORD})[0] == 201)
        # Of what is over nobody is told as if it were to come.
        wait_until(lambda: any("were removed" in letter.get_content() for letter in mailbox.to(EMAIL)))
        assert not any("Takes effect" in letter.get_content() for letter in mailbox.to(EMAIL))
        assert run.stop() == 0
    operations = answer(data, "operations")["operations"]
    assert [each["action"] for each in operations].count("factor-removal.begun") == 1
    assert EMAIL not in str(operations)


def enroll(token: str) -> str:
    """Turns on the account's second factor; returns the session that replaces this one."""
    secret = call("POST", "/api/v1/account/second-factor", {"password": PASSWORD}, token)[1]["secret"]
    status, enabled = call("PUT", "/api/v1/account/second-factor", {"code": pyotp.TOTP(secret).now()}, token)
    assert status == 200
    return str(enabled["token"])
