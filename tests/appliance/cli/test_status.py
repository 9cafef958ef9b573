"""`status` distinguishes a service that is up, half up or down."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.cli import existing_service, status
from appliance.cli.errors import CommandError, Exit
from appliance.cli.settings import resolve
from appliance.hub.rpc.messages import HubStatus, ShardStatus
from appliance.store.migration import known_revisions
from tests.appliance.cli.started import PORT, Run, assert_refused, children, meshwg, sign_up, start

LISTEN = f"--listen=127.0.0.1:{PORT}"
UP = status.ServiceStatus(
    "abc", "https://h:1/", HubStatus("kernel", "6.1", 2, 2), True, True, 2, 5, "0001", known_revisions()[0]
)
LOST = HubStatus("kernel", "6.1", 1, 2, shards=(ShardStatus("192.0.2.1:1", "hub1"), ShardStatus("192.0.2.1:2", None)))


@pytest.mark.long
def test_status_tells_up_without_hub_and_down_apart(data: Path, runs: list[Run]) -> None:
    run = start(runs, data)
    run.wait_until_ready()
    sign_up("acme")
    done = meshwg(data, "status", "--json", LISTEN)
    found = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert (found["up"], found["web"]) == (True, {"alive": True, "ready": True})
    assert found["organizations"] == {"enforcing": 1, "expected": 1}
    assert found["wireguard"]["version"]
    assert found["schema"] == {"revision": known_revisions()[0], "newest": known_revisions()[0]}
    assert found["url"] == f"https://127.0.0.1:{PORT}/"

    # A supervisor that stands still starts no new hub.
    hub = children(run.process.pid)["hub"]
    run.process.send_signal(signal.SIGSTOP)
    os.kill(hub, signal.SIGKILL)
    done = meshwg(data, "status", "--json", LISTEN)
    half = json.loads(done.stdout)
    assert done.returncode == Exit.UNAVAILABLE
    assert (half["up"], half["hub"], half["web"]) == (False, {"answers": False}, {"alive": True, "ready": False})
    run.process.send_signal(signal.SIGCONT)
    assert run.stop() == 0

    done = meshwg(data, "status", LISTEN)
    assert done.returncode == Exit.UNAVAILABLE
    assert done.stdout.startswith("The service is down")
    assert "0 machines" not in done.stdout
    done = meshwg(data, "status", "--json", LISTEN)
    down = json.loads(done.stdout)
    assert (down["up"], down["web"]["alive"], down["wireguard"]) == (False, False, None)
    assert down["organizations"] == {"enforcing": None, "expected": 1}
    assert down["instance"] == found["instance"]


@pytest.mark.parametrize(
    ("now", "code", "sentence"),
    [
        (UP, 0, "The service is up, and every organization is enforced."),
        (replace(UP, hub=None, alive=False, ready=False), 69, "The service is down"),
        (replace(UP, hub=None, ready=False), 69, "its hub does not"),
        (replace(UP, alive=False, ready=False), 69, "nothing does at https://h:1/"),
        (replace(UP, hub=HubStatus("kernel", "6.1", 1, 2), ready=False), 69, "1 of 2 organizations are enforced"),
        (replace(UP, hub=HubStatus("kernel", "6.1", 0, 1), ready=False), 69, "0 of 1 organization is enforced"),
        (replace(UP, hub=LOST, ready=False), 69, "no hub answers for 192.0.2.1:2. 1 of 2 organizations are enforced"),
        (replace(UP, ready=False), 69, "not ready yet"),
    ],
)
def test_each_state_has_a_sentence(now: status.ServiceStatus, code: int, sentence: str) -> None:
    assert sentence in status.words(now).splitlines()[0]
    assert now.is_up == status.document(now)["up"] == (code == 0)


def test_status_reports_an_older_schema() -> None:
    assert "this version has" in status.words(replace(UP, revision="0000"))
    assert "this version has" not in status.words(replace(UP, revision=UP.newest))


def test_a_missing_store_is_one_sentence_and_not_created(data: Path) -> None:
    assert_refused(meshwg(data, "status"), Exit.NOT_CONFIGURED)
    assert not data.exists()
    (data / "store").mkdir(parents=True)
    (data / "store" / "meshwg.sqlite").write_bytes(b"")
    assert_refused(meshwg(data, "status"), Exit.CANNOT_CREATE)
    (data / "store" / "meshwg.sqlite").write_bytes(b"no database" * 100)
    assert_refused(meshwg(data, "status"), Exit.CANNOT_CREATE)


def test_status_tells_an_ordinary_user_that_root_is_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(CommandError) as refused, existing_service.opened(resolve({"data": tmp_path})):
        pass
    assert refused.value.code is Exit.NOT_PERMITTED
