"""Messages of a start for people and programs."""

from __future__ import annotations

import io
import json
import os
import signal
import ssl
import sys
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import structlog

from appliance import logs
from appliance.cli.announcement import Announcement, Voice
from appliance.logs import LogFormat
from appliance.model.sign_up import SignUpMode
from netlab import kill
from tests.appliance.cli.started import PORT, READY, Run, children, start, wait_for_health, were_replaced
from tests.appliance.cli.terminal import Terminal
from tests.waiting import DEADLINE, wait_until

_DIGEST = ":".join(f"{number:02X}" for number in range(32))
_UP = Announcement(
    url="https://vpn.example.net:8443/",
    fingerprint=_DIGEST,
    certificate=Path("/var/lib/meshwg/tls/certificate.pem"),
    secret=Path("/var/lib/meshwg.unlock-secret"),
    endpoint="vpn.example.net:51820",
    wireguard="wireguard-go 0.0.20220316",
    sign_up=SignUpMode.OPEN,
    organizations=0,
)


@pytest.mark.parametrize("columns", [20, 40, 59, 60, 80, 200])
def test_the_announcement_has_all_facts_in_unbroken_lines(columns: int) -> None:
    shown = _UP.words(columns)
    for line in shown.splitlines():
        assert len(line) <= columns or len(line.split()) == 1 or line.startswith("MeshWG is up at"), line
    together = " ".join(shown.split())
    assert _DIGEST.replace(":", "") in together.replace(":", "").replace(" ", "")
    for part in (_UP.url, str(_UP.certificate), str(_UP.secret), f"MESHWG_UNLOCK_SECRET_FILE={_UP.secret}", "Ctrl-C"):
        assert part in together
    assert "sign up the first organization" in together


@pytest.mark.parametrize(
    ("change", "told", "untold"),
    [
        ({"organizations": 3}, "Open the URL and sign in.", "first organization"),
        ({"certificate": None}, "your own; SHA-256", "browser warns"),
        ({"secret": None}, "in MESHWG_UNLOCK_SECRET;", "MESHWG_UNLOCK_SECRET_FILE"),
        (
            {"sign_up": SignUpMode.INVITED, "data": " --data /srv"},
            "admin sign-up-links add --data /srv`",
            "sign up the",
        ),
        ({"sign_up": SignUpMode.CLOSED}, "another --sign-up", "Open the URL"),
        ({"url": "https://127.0.0.1:8443/"}, "Only this machine", "nothing"),
        ({"url": "https://[::1]:8443/"}, "Only this machine", "nothing"),
        ({}, "`meshwg status` in another terminal", "Only this machine"),
        (
            {"data": " --data /srv", "listen": " --listen 1.2.3.4:5"},
            "status --data /srv --listen 1.2.3.4:5`",
            "nothing",
        ),
    ],
)
def test_the_announced_next_step_fits_the_state(change: dict[str, object], told: str, untold: str) -> None:
    shown = " ".join(replace(_UP, **change).words(80).split())  # type: ignore[arg-type]
    assert told in shown
    assert untold not in shown


@pytest.fixture
def log_of_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Restores the hooks of errors and the log after a test."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr("threading.excepthook", sys.__excepthook__)
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize(
    ("form", "terminals", "words", "events"),
    [
        (LogFormat.AUTO, (True, True), True, False),
        (LogFormat.AUTO, (False, False), False, True),
        # The log goes to a file, and somebody looks at the rest.
        (LogFormat.AUTO, (True, False), True, True),
        (LogFormat.AUTO, (False, True), True, False),
        (LogFormat.JSON, (True, True), False, True),
        (LogFormat.TEXT, (False, False), True, False),
    ],
)
@pytest.mark.usefixtures("log_of_before")
def test_people_get_sentences_and_programs_get_events(
    monkeypatch: pytest.MonkeyPatch,
    form: LogFormat,
    terminals: tuple[bool, bool],
    words: bool,
    events: bool,
) -> None:
    streams = io.StringIO(), io.StringIO()
    for name, stream, is_terminal in zip(("stdout", "stderr"), streams, terminals, strict=True):
        monkeypatch.setattr(stream, "isatty", lambda it=is_terminal: it)
        monkeypatch.setattr(sys, name, stream)
    logs.configure("up", form)
    _UP.tell(Voice(form))
    shown, logged = (stream.getvalue() for stream in streams)
    assert shown.startswith("MeshWG is up at https") == words
    assert bool(logged) == events
    if events:
        found = json.loads(logged)
        assert (found["event"], found["url"], found["certificate_sha256"]) == (READY, _UP.url, _DIGEST)
        assert found["unlock_file"] == str(_UP.secret)


@pytest.fixture
def terminals(swept: None) -> Iterator[list[Terminal]]:
    """Collects the terminals that a test starts, and kills programs that still run at its end."""
    del swept
    started: list[Terminal] = []
    yield started
    for each in started:
        each.kill()


def on_a_terminal(terminals: list[Terminal], data: Path, *options: str, errors_to: str | None = None) -> Terminal:
    """Starts a service in a terminal without colours and locale, and waits until it is up."""
    arguments = ["up", f"--data={data}", f"--listen=127.0.0.1:{PORT}", *options]
    terminals.append(Terminal(arguments, 80, {"NO_COLOR": "1"}, errors_to))
    terminals[-1].wait_for(READY)
    return terminals[-1]


def digest_of(certificate: Path) -> str:
    digest = sha256(ssl.PEM_cert_to_DER_cert(certificate.read_text())).hexdigest().upper()
    return ":".join(digest[start : start + 2] for start in range(0, len(digest), 2))


@pytest.mark.long
def test_a_terminal_gets_the_announcement_and_later_the_log(data: Path, terminals: list[Terminal]) -> None:
    terminal = on_a_terminal(terminals, data)
    terminal.wait_for("Ctrl-C ends it")
    together = terminal.said.replace("\n                 ", ":")
    for part in (
        f"MeshWG is up at https://127.0.0.1:{PORT}/",
        digest_of(data / "tls" / "certificate.pem"),
        f"MESHWG_UNLOCK_SECRET_FILE={data}.unlock-secret",
    ):
        assert part in together
    assert Path(f"{data}.unlock-secret").read_text().strip() not in terminal.said
    before = children(terminal.pid)
    os.kill(before["web"], signal.SIGKILL)
    terminal.wait_for("Error: the web process was killed and is started again (code -9).")
    wait_for_health()
    os.kill(terminal.pid, signal.SIGHUP)
    wait_until(lambda: were_replaced(terminal.pid, before))
    terminal.wait_for("A process is started again, as asked (command web).")
    wait_for_health()
    assert terminal.interrupt() == 0
    assert terminal.said.endswith("Stopping.\n")
    for sign in ("{", "\x1b", "[info", "process="):
        assert sign not in terminal.said


@pytest.mark.long
def test_json_can_be_chosen_on_a_terminal(data: Path, terminals: list[Terminal]) -> None:
    terminal = on_a_terminal(terminals, data, "--log=json")
    assert terminal.interrupt() == 0
    events = [json.loads(line) for line in terminal.said.splitlines()]
    assert [each["event"] for each in events if each["process"] == "up"] == [
        "a self-signed certificate was made",
        "an unlock secret was made",
        "only nearby machines can reach the endpoint",
        "MeshWG starts",
        "MeshWG is up",
        "MeshWG ends",
    ]


@pytest.mark.long
def test_the_log_goes_to_a_file(data: Path, terminals: list[Terminal], tmp_path: Path) -> None:
    file = tmp_path / "log"
    terminal = on_a_terminal(terminals, data, errors_to=str(file))
    terminal.wait_for("Ctrl-C ends it")
    assert terminal.interrupt() == 0
    assert READY in {json.loads(line)["event"] for line in file.read_text().splitlines()}


def test_without_a_terminal_each_line_is_an_event(data: Path, runs: list[Run]) -> None:
    run = start(runs, data)
    run.wait_until_ready()
    before = children(run.process.pid)["web"]
    kill([before], DEADLINE)
    # The killed process's worker may still answer for a moment.
    wait_until(lambda: children(run.process.pid).get("web", before) != before)
    wait_for_health()
    assert run.stop() == 0
    events = [json.loads(line)["event"] for line in "".join(run.output).splitlines()]
    assert events[-1] == "MeshWG ends"


def test_text_can_be_chosen_without_a_terminal(data: Path, runs: list[Run]) -> None:
    run = start(runs, data, MESHWG_LOG="text")
    run.wait_until_ready()
    assert run.stop() == 0
    assert "{" not in "".join(run.output)
