"""`admin`: operators' decisions about organizations, while the service runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.cli.errors import Exit
from tests.appliance.cli.started import Run, answer, assert_refused, call, meshwg, sign_up, start, wait_for_health
from tests.appliance.members import NEW_PASSWORD, PASSWORD
from tests.appliance.sealed import OLD, sealed_store
from tests.appliance.sites import make_data

pytestmark = pytest.mark.long


def test_admin_decides_under_a_running_service(data: Path, runs: list[Run]) -> None:
    run = start(runs, data, MESHWG_UNLOCK_SECRET=OLD)
    run.wait_until_ready()
    acme, token = sign_up("acme")
    bolt, other = sign_up("bolt")
    for name in ("one", "two"):
        assert call("POST", "/api/v1/machines", {"name": name}, token)[0] == 201
    assert call("POST", "/api/v1/machines", {"name": "three"}, token)[0] == 402

    # A plan, by the organization's name.
    done = meshwg(data, "admin", "plan", "acme", "paid")
    assert done.returncode == 0, done.stderr
    assert call("POST", "/api/v1/machines", {"name": "three"}, token)[0] == 201
    assert_refused(meshwg(data, "admin", "plan", acme, "free"), Exit.REFUSED)
    assert_refused(meshwg(data, "admin", "plan", "nobody", "free"), Exit.NO_INPUT)

    # An invitation.
    done = meshwg(
        data, "admin", "invite", acme, "ravi@example.net", "--role=owner", "--public-url=https://mesh.example"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("https://mesh.example/join/mwi_")
    body = {"token": done.stdout.strip().rpartition("/")[2], "password": NEW_PASSWORD}
    assert call("POST", "/api/v1/invitations/accept", body)[0] == 201

    # Links for who has lost a password, and where no mail is sent.
    done = meshwg(data, "admin", "reset-link", "owner@bolt.example", "--public-url=https://mesh.example")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("https://mesh.example/reset?token=mwl_")
    body = {"token": done.stdout.strip().rpartition("=")[2], "password": NEW_PASSWORD}
    assert call("PUT", "/api/v1/resets", body)[0] == 204
    assert call("GET", "/api/v1/machines", token=other)[0] == 401
    log_in = {"email": "owner@bolt.example", "password": NEW_PASSWORD}
    status, opened = call("POST", "/api/v1/sessions", log_in)
    assert status == 201
    other = opened["token"]
    done = meshwg(data, "admin", "verification-link", "owner@bolt.example")
    assert done.returncode == 0, done.stderr
    body = {"token": done.stdout.strip().rpartition("=")[2]}
    assert call("PUT", "/api/v1/verifications", body)[0] == 204
    assert call("GET", "/api/v1/account", token=other)[1]["verified"] is True
    assert_refused(meshwg(data, "admin", "reset-link", "nobody@example.net"), Exit.NO_INPUT)

    # A suspension: its part of the host is gone, the other one's is as it was, and so it stays over a restart.
    before = hosts(data)
    done = meshwg(data, "admin", "suspend", acme)
    assert done.returncode == 0, done.stderr
    assert hosts(data) == {acme: None, bolt: before[bolt]}
    assert call("GET", "/api/v1/machines", token=token)[0] == 401
    log_in = {"email": "owner@acme.example", "password": PASSWORD}
    status, problem = call("POST", "/api/v1/sessions", log_in)
    assert (status, problem["type"]) == (403, "urn:meshwg:problem:suspended")
    assert call("GET", "/readyz")[0] == 200
    assert call("POST", "/api/v1/machines", {"name": "one"}, other)[0] == 201
    listed = {each["id"]: each for each in answer(data, "admin", "list")["organizations"]}
    assert (listed[acme]["name"], listed[acme]["plan"], listed[acme]["machines"], listed[acme]["members"]) == (
        "acme", "paid", 3, 2,
    )  # fmt: skip
    assert listed[acme]["suspended_at"] is not None
    assert listed[bolt]["suspended_at"] is None
    assert run.stop() == 0
    run = start(runs, data, MESHWG_UNLOCK_SECRET=OLD)
    run.wait_until_ready()
    wait_for_health("/readyz")
    assert hosts(data)[acme] is None

    done = meshwg(data, "admin", "resume", acme)
    assert done.returncode == 0, done.stderr
    assert hosts(data)[acme] is not None
    status, session = call("POST", "/api/v1/sessions", log_in)
    assert status == 201
    entries = call("GET", "/api/v1/audit", token=session["token"])[1]["entries"]
    assert {entry["action"] for entry in entries if entry["actor"] == "operator"} == {
        "organization.changed", "member.invited", "organization.suspended", "organization.resumed",
    }  # fmt: skip
    assert run.stop() == 0


def hosts(data: Path) -> dict[str, object]:
    """Lists the host's objects by organization."""
    return {each["id"]: each["host"] for each in answer(data, "census")["organizations"]}


@pytest.mark.parametrize(("command", "code"), [("suspend", Exit.UNAVAILABLE), ("resume", Exit.REFUSED)])
def test_admin_decides_nothing_without_a_service(data: Path, command: str, code: int) -> None:
    (data / "store").mkdir(parents=True)
    sealed_store(data / "store", "meshwg.sqlite")
    assert_refused(meshwg(data, "admin", command, "nobody"), Exit.NO_INPUT)
    before = answer(data, "admin", "list")
    done = meshwg(data, "admin", command, before["organizations"][0]["id"])
    assert (done.returncode, len(done.stderr.splitlines())) == (code, 1)
    assert answer(data, "admin", "list") == before


def test_an_invitation_is_taken_back(data: Path) -> None:
    (data / "store").mkdir(parents=True)
    sealed_store(data / "store", "meshwg.sqlite")
    organization = answer(data, "admin", "list")["organizations"][0]["id"]
    invitation = (organization, "ravi@example.net")
    assert meshwg(data, "admin", "invite", *invitation).returncode == 0
    assert_refused(meshwg(data, "admin", "invite", *invitation), Exit.REFUSED)
    assert meshwg(data, "admin", "take-invitation-back", *invitation).stdout.endswith(" is revoked.\n")
    assert_refused(meshwg(data, "admin", "take-invitation-back", *invitation), Exit.NO_INPUT)
    assert meshwg(data, "admin", "invite", *invitation).returncode == 0
    acts = [each["action"] for each in answer(data, "operations")["operations"]]
    assert acts[:3] == ["member.invited", "invitation.revoked", "member.invited"]


def test_sign_up_links_are_listed_and_revoked(data: Path) -> None:
    """Without a service: whoever has such a link can do nothing meanwhile, and it is gone when one starts."""
    make_data(data).close()
    assert answer(data, "admin", "sign-up-links", "list") == {"sign_up_links": []}
    for options in ((), ("--email=asha@example.net",), ("--email=ravi@example.net",)):
        assert meshwg(data, "admin", "sign-up-links", "add", *options, SUDO_USER="ops").returncode == 0
    listed = answer(data, "admin", "sign-up-links", "list")["sign_up_links"]
    by_email = {each["email"]: each["id"] for each in listed}
    assert set(by_email) == {None, "asha@example.net", "ravi@example.net"}
    assert {each["made_by"] for each in listed} == {"ops"}
    told = meshwg(data, "admin", "sign-up-links", "list").stdout.splitlines()
    assert f"{by_email[None]}  for any address, made 2" in "\n".join(told)
    assert told[-1] == "3 links; times are UTC."

    assert_refused(meshwg(data, "admin", "sign-up-links", "revoke"), Exit.REFUSED)
    assert_refused(meshwg(data, "admin", "sign-up-links", "revoke", "nothing"), Exit.NO_INPUT)
    assert len(answer(data, "admin", "sign-up-links", "list")["sign_up_links"]) == 3
    assert_refused(meshwg(data, "admin", "sign-up-links", "revoke", by_email[None], "--all"), Exit.REFUSED)
    done = meshwg(data, "admin", "sign-up-links", "revoke", by_email[None])
    assert (done.returncode, done.stdout) == (0, "1 link revoked.\n")
    assert meshwg(data, "admin", "sign-up-links", "revoke", "--all").stdout == "2 links revoked.\n"
    assert answer(data, "admin", "sign-up-links", "list") == {"sign_up_links": []}
    acts = [each["action"] for each in answer(data, "operations")["operations"]]
    assert acts[:2] == ["sign-up.revoked"] * 2
