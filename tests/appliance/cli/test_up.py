"""`up` from outside: refusals, traces after its end, and restarts."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from appliance.cli.errors import Exit
from tests.appliance.cli.started import (
    PORT,
    Run,
    answer,
    assert_one_sentence,
    call,
    children,
    refused,
    sign_up,
    start,
    start_program,
    wait_for_health,
    were_replaced,
)
from tests.waiting import wait_until


@pytest.mark.long
def test_a_second_start_needs_the_unlock_secret(data: Path, runs: list[Run]) -> None:
    first = start_program(runs, data)
    said = first.wait_until_ready()
    secret = data.with_name("data.unlock-secret")
    assert str(secret) in said
    assert secret.stat().st_mode & 0o777 == 0o600
    assert secret.read_text().strip() not in said
    # A second service on the same folder is turned away while the first one runs.
    code, output = refused(runs, data, f"--listen=127.0.0.1:{PORT + 1}", MESHWG_UNLOCK_SECRET_FILE=str(secret))
    assert code == Exit.BUSY
    assert_one_sentence(output)
    assert first.stop() == 0

    code, output = refused(runs, data)
    assert code == Exit.NOT_CONFIGURED
    assert_one_sentence(output)
    code, output = refused(runs, data, MESHWG_UNLOCK_SECRET="a wrong secret, but long enough")
    assert code == Exit.NOT_CONFIGURED
    assert_one_sentence(output)

    second = start(runs, data, MESHWG_UNLOCK_SECRET_FILE=str(secret))
    second.wait_until_ready()
    assert second.stop(signal.SIGINT) == 0


def test_a_taken_port_leaves_nothing_behind(data: Path, runs: list[Run]) -> None:
    with socket.create_server(("127.0.0.1", PORT)):
        code, output = refused(runs, data)
    assert code == Exit.ADDRESS_IN_USE
    assert_one_sentence(output)
    assert not (data / "store").exists()
    assert not data.with_name("data.unlock-secret").exists()


@pytest.mark.parametrize(
    ("arguments", "environment", "code"),
    [
        (["--wireguard=boringtun"], {"PATH": "/nowhere"}, Exit.UNAVAILABLE),
        (["--trusted-source=nowhere"], {}, Exit.NOT_CONFIGURED),
        (["--database-url=sqlite:////proc/none/x"], {}, Exit.CANNOT_CREATE),
        (["--endpoint=https://vpn.example.net"], {}, Exit.NOT_CONFIGURED),
        (["--endpoint="], {}, Exit.NOT_CONFIGURED),
        (["--data="], {}, Exit.NOT_CONFIGURED),
        ([], {"MESHWG_ENDPOINT": "\udcff"}, Exit.NOT_CONFIGURED),
        ([], {"MESHWG_UNLOCK_SECRET": "short"}, Exit.NOT_CONFIGURED),
        ([], {"MESHWG_UNLOCK_SECRET_FILE": "/nowhere"}, Exit.NOT_CONFIGURED),
    ],
)
def test_bad_settings_are_one_sentence(
    data: Path, runs: list[Run], arguments: list[str], environment: dict[str, str], code: Exit
) -> None:
    found, output = refused(runs, data, *arguments, **environment)
    assert (found, output) == (code, output)
    assert_one_sentence(output)


def test_a_data_folder_closed_to_the_web_process_is_refused(data: Path, runs: list[Run]) -> None:
    closed = data.parent / "closed"
    closed.mkdir(mode=0o700)
    code, output = refused(runs, closed / "data")
    assert code == Exit.CANNOT_CREATE
    assert_one_sentence(output)
    assert str(closed) in output
    # Nothing is made that a later start would take for a service's.
    closed.chmod(0o755)
    run = start(runs, closed / "data")
    run.wait_until_ready()
    assert run.stop() == 0


@pytest.mark.long
def test_the_configured_endpoint_may_differ_from_the_hub_s_port(data: Path, runs: list[Run]) -> None:
    run = start(runs, data, "--endpoint=b\u00fccher.example:443", "--udp-port=51899")
    said = run.wait_until_ready()
    assert '"endpoint": "xn--bcher-kva.example:443", "port": 51899' in said
    assert "only nearby machines can reach the endpoint" not in said
    _, token = sign_up("acme")
    status, made = call("POST", "/api/v1/machines", {"name": "one"}, token)
    assert status == 201
    assert "\nEndpoint            = xn--bcher-kva.example:443\n" in made["config"]
    assert call("GET", "/api/v1/organization", token=token)[1]["endpoint"] == "xn--bcher-kva.example:443"
    assert answer(data, "status", f"--listen=127.0.0.1:{PORT}")["front_door"]["port"] == 51899
    assert run.stop() == 0
    # Without the port it is the hub's own, and a host that is near is told of.
    run = start(runs, data, "--endpoint=[fd00::1]", MESHWG_UNLOCK_SECRET_FILE=str(data.with_name("data.unlock-secret")))
    said = run.wait_until_ready()
    assert "Configurations name fd00::1, a private or reserved address: machines elsewhere can't reach it." in said
    assert call("GET", "/api/v1/organization", token=token)[1]["endpoint"] == "[fd00::1]:51899"
    assert run.stop() == 0


def test_killed_children_are_started_again(data: Path, runs: list[Run]) -> None:
    run = start(runs, data)
    run.wait_until_ready()
    before = children(run.process.pid)
    assert set(before) == {"hub", "web"}
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: were_replaced(run.process.pid, before))
    wait_for_health()
    assert run.stop() == 0


@pytest.mark.parametrize("is_dead", [False, True])
def test_a_stop_while_the_hub_restarts_leaves_nothing(data: Path, runs: list[Run], is_dead: bool) -> None:
    """The hub loads its code, or died so soon that its next start has to wait."""
    namespaces = Path("/run/netns")
    found = set(namespaces.iterdir())
    run = start(runs, data)
    run.wait_until_ready()
    sign_up("acme")
    assert set(namespaces.iterdir()) > found
    before = children(run.process.pid)
    os.kill(before["hub"], signal.SIGKILL)
    wait_until(lambda: children(run.process.pid).get("hub", before["hub"]) != before["hub"])
    if is_dead:
        os.kill(children(run.process.pid)["hub"], signal.SIGKILL)
    assert run.stop() == 0
    assert set(namespaces.iterdir()) == found
