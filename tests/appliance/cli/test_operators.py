"""`admin operator`: accounts for the pages under /operator, with and without a running service."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pyotp
import pytest

from appliance.cli.errors import Exit
from appliance.vault import codes
from harness.client.page import Page
from tests.appliance.cli.started import PORT, Run, answer, assert_refused, meshwg, sign_up, start
from tests.appliance.members import OPERATORS_PASSWORD
from tests.appliance.sealed import NEW, OLD, sealed_store
from tests.appliance.service.test_operators import EMAIL
from tests.waiting import DEADLINE

pytestmark = pytest.mark.timeout(600)


class Browser:
    """A browser at the service under test, with cookies and the forms of the last page."""

    def __init__(self) -> None:
        self._client = httpx.Client(base_url=f"https://127.0.0.1:{PORT}", verify=False, timeout=DEADLINE)  # noqa: S501
        self.page = Page("")

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, path: str) -> int:
        """Opens a page; returns the status."""
        return self._shown(self._client.get(path))

    def send(self, action: str, **fields: str) -> int:
        """Sends a form of the last page; returns the status."""
        return self._shown(self._client.post(action, data=self.page.forms[action] | fields))

    def _shown(self, found: httpx.Response) -> int:
        if found.text:
            self.page = Page(found.text)
        return found.status_code


@pytest.mark.long
def test_an_operator_is_added_set_up_and_removed(data: Path, tmp_path: Path, runs: list[Run]) -> None:
    run = start(runs, data, MESHWG_UNLOCK_SECRET=OLD)
    run.wait_until_ready()
    organization, _ = sign_up("acme")
    with Browser() as browser:
        assert browser.get("/operator/login") == 404
        done = meshwg(data, "admin", "operator", "add", EMAIL, "--public-url=https://mesh.example")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("https://mesh.example/operator/join/mwi_")
        phone = enrol(browser, done.stdout.strip().partition("mesh.example")[2])
        recovery = next(word for word in browser.page.text.split() if word.count("-") == 3)
        assert_refused(meshwg(data, "admin", "operator", "add", EMAIL), Exit.REFUSED)
        (listed,) = answer(data, "admin", "operator", "list")["operators"]
        assert (listed["email"], listed["set_up"], listed["recovery_codes"]) == (EMAIL, True, 10)

        path = f"/operator/organizations/{organization}"
        assert browser.get(path) == 200
        assert browser.send(f"{path}/suspend", code="000000") == 403
        assert browser.send(f"{path}/suspend", code=recovery) == 303
        (line,) = answer(data, "admin", "list")["organizations"]
        assert line["suspended_at"] is not None
        assert browser.get("/operator/hub") == 200

        # The hub opens the secret after a rotation, too.
        new = tmp_path / "new"
        new.write_text(NEW)
        new.chmod(0o600)
        done = meshwg(data, "rotate-unlock-secret", f"--new-secret-file={new}", MESHWG_UNLOCK_SECRET=OLD)
        assert done.returncode == 0, done.stderr
        with Browser() as other:
            assert other.get("/operator/login") == 200
            # A code is taken once; the next one is good already.
            code = phone.at(int(time.time()) + codes.STEP_S)
            assert other.send("/operator/login", email=EMAIL, password=OPERATORS_PASSWORD, code=code) == 303
            assert other.get("/operator") == 200

        done = meshwg(data, "admin", "operator", "remove", EMAIL)
        assert done.returncode == 0, done.stderr
        assert browser.get("/operator") == 404
    acts = [each["action"] for each in answer(data, "operations")["operations"]]
    assert [each for each in acts if each.startswith(("operator.", "organization."))] == [
        "operator.removed", "operator.signed-in", "organization.suspended", "organization.viewed",
        "operator.enrolled", "operator.added",
    ]  # fmt: skip
    assert run.stop() == 0


def enrol(browser: Browser, path: str) -> pyotp.TOTP:
    """Sets an operator up with a link's path; returns the authenticator."""
    assert browser.get(path) == 200
    assert browser.send(path, password=OPERATORS_PASSWORD) == 200
    phone = pyotp.TOTP(next(word for word in browser.page.text.split() if len(word) == 32 and word.isupper()))
    assert browser.send(f"{path}/enrol", code=phone.now()) == 200
    return phone


def test_operators_are_added_without_a_service(data: Path) -> None:
    (data / "store").mkdir(parents=True)
    sealed_store(data / "store", "meshwg.sqlite")
    assert meshwg(data, "admin", "operator", "list").stdout == "0 operators; times are UTC.\n"
    assert meshwg(data, "admin", "operator", "add", EMAIL).returncode == 0
    assert meshwg(data, "admin", "operator", "add", EMAIL).returncode == 0
    assert meshwg(data, "admin", "operator", "list").stdout.splitlines() == [
        f"{EMAIL}  has not used the link yet", "1 operator; times are UTC.",
    ]  # fmt: skip
    assert_refused(meshwg(data, "admin", "operator", "add", "nobody"), Exit.REFUSED)
    assert_refused(meshwg(data, "admin", "operator", "remove", "nobody@example.net"), Exit.NO_INPUT)
