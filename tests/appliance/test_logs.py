"""Logs never contain secrets, and are readable for people."""

from __future__ import annotations

import ast
import base64
import io
import json
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from appliance import logs
from appliance.model.keys import new_key_pair

KEY = new_key_pair().private
RAW = base64.b64decode(KEY)
TOKEN = "mws_" + secrets.token_urlsafe(32)
FORMS = {
    "base64": KEY,
    "hex": RAW.hex(),
    "HEX": RAW.hex().upper(),
    "session": TOKEN,
    # Letters of each case and a digit, which a random one has in all but a millionth of cases.
    "link": "aB3" + secrets.token_urlsafe(32),
    "another prefix": TOKEN.replace("mws_", "mwx_"),
}
WRAPS: dict[str, Callable[[str], object]] = {
    "alone": str,
    "path": lambda secret: f"at /reset/{secret}?x=1",
    "list": lambda secret: [secret],
    "deep": lambda secret: {"deep": (secret,)},
    "error": ValueError,
}


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Returns the log as JSON lines."""
    text = io.StringIO()
    monkeypatch.setattr(sys, "stderr", text)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr("threading.excepthook", sys.__excepthook__)
    logs.configure("test")
    yield text
    structlog.reset_defaults()


def fail(private: str) -> None:
    raise ValueError(f"no key: {private}")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("wrap", WRAPS)
def test_a_text_that_looks_like_a_secret_is_removed(written: io.StringIO, form: str, wrap: str) -> None:
    secret = FORMS[form]
    structlog.get_logger().info("something", detail=WRAPS[wrap](secret))
    assert secret not in written.getvalue()
    assert "[removed]" in written.getvalue()


@pytest.mark.parametrize("field", ["password", "new_password", "unlock_secret", "code", "recovery_codes", "csrf_token"])
def test_a_field_that_is_named_like_a_secret_is_removed(written: io.StringIO, field: str) -> None:
    structlog.get_logger().info("something", **{field: "swordfish", "also": {field: ["swordfish"]}})
    assert "swordfish" not in written.getvalue()


@pytest.mark.parametrize(
    "text", ["postgresql+psycopg://meshwg:swordfish@db/meshwg", "smtps://u:sword%40fish@mail", "Bearer swordfish"]
)
def test_passwords_of_urls_and_bearers_are_removed(written: io.StringIO, text: str) -> None:
    structlog.get_logger().info("something", error=f"can't reach {text} now")
    assert "fish" not in written.getvalue()
    assert "now" in written.getvalue()


@pytest.mark.parametrize("terminal", [False, True])
def test_a_logged_exception_has_its_trace_without_secrets(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    text = io.StringIO()
    monkeypatch.setattr(text, "isatty", lambda: terminal)
    monkeypatch.setattr(sys, "stderr", text)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr("threading.excepthook", sys.__excepthook__)
    logs.configure("test")
    try:
        fail(KEY)
    except ValueError:
        structlog.get_logger().exception("failed")
    structlog.reset_defaults()
    assert "in fail" in text.getvalue()
    assert KEY not in text.getvalue()


def test_uncaught_exceptions_are_logged_without_secrets() -> None:
    program = f"""
import threading
from appliance import logs
logs.configure("test")
def fail():
    raise ValueError("no key: {KEY}")
thread = threading.Thread(target=fail, name="worker")
thread.start()
thread.join()
fail()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    first, second = map(json.loads, done.stderr.splitlines())
    assert (first["thread"], "ValueError" in first["exception"]) == ("worker", True)
    assert "ValueError" in second["exception"]
    assert KEY not in done.stderr


@pytest.mark.parametrize("part", ["a:", "://a:", "a@", "aA1-", " mwa_", "bearer ", "0", "A"])
def test_a_long_hostile_text_is_written_soon(written: io.StringIO, part: str) -> None:
    """Logs a text that would take a quarter of an hour if the time for it grew with the square of its length."""
    structlog.get_logger().info("asked", path=f"://{part * (400_000 // len(part))}")
    assert len(written.getvalue().splitlines()) == 1


def test_a_long_text_is_shortened_without_a_part_of_a_secret(written: io.StringIO) -> None:
    """Logs a path of any length, with secrets wherever it may be cut."""
    filled = f"{KEY} " * 10_000
    structlog.get_logger().info("asked", path=f"first {filled} last", found=[filled])
    shown = json.loads(written.getvalue())
    assert shown["path"].startswith("first ")
    assert shown["path"].endswith(" last")
    assert "characters left out" in shown["path"]
    assert len(written.getvalue()) < 3 * logs.LONGEST
    assert not any(KEY[:4] in text or KEY[-5:] in text for text in (shown["path"], *shown["found"]))


def test_values_that_are_no_secrets_stay_in_the_log(written: io.StringIO) -> None:
    facts: dict[str, Any] = {
        "organization": "tcbm838zt8",
        "path": "/api/v1/machines/kjmn9s3v6pf2/rotate",
        "error": "test_a_refusal_by_the_store_is_undone_in_the_data_plane",
        "found": ["ruleset: table gone", "peer: a stranger"],
        "seconds": 0.0123,
        "repairs": {"rules": 3},
        "command": None,
        "version": "5.1.0-0ubuntu1~22.04.1",
    }
    structlog.get_logger().info("damage was repaired", **facts)
    shown = json.loads(written.getvalue())
    assert {key: shown[key] for key in facts} == facts


@pytest.fixture
def as_text(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Returns the log in the format for people."""
    text = io.StringIO()
    monkeypatch.setattr(sys, "stderr", text)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr("threading.excepthook", sys.__excepthook__)
    logs.configure("test", logs.LogFormat.TEXT)
    yield text
    structlog.reset_defaults()


def test_the_text_log_has_sentences_and_no_routine_events(as_text: io.StringIO) -> None:
    log = structlog.get_logger()
    log.info("hub is ready")
    log.info("an orphan was removed", organization="tcbm838zt8")
    log.warning("damage was repaired", found=["rules: gone", "link: gone"], seconds=0.01234, organization=None)
    log.error("a letter was given up", reason="x", counted={"tries": 8})
    assert [line[10:] for line in as_text.getvalue().splitlines()] == [
        "An orphan was removed (organization tcbm838zt8).",
        "Warning: damage was repaired (found rules: gone, link: gone, seconds 0.0123).",
        "Error: a letter was given up (reason x, counted tries 8).",
    ]


@pytest.mark.parametrize("hostile", ["\x1b[2J", "a\nMeshWG is up", "\r\x08", "\u202e", "\x9b31m"])
def test_a_logged_text_has_no_terminal_control_characters(as_text: io.StringIO, hostile: str) -> None:
    structlog.get_logger().warning("a call was refused", name=hostile)
    (line,) = as_text.getvalue().splitlines()
    assert line.isprintable()


def test_every_routine_event_is_logged_somewhere() -> None:
    package = Path(logs.__file__).parent
    sources = "".join(file.read_text() for file in package.rglob("*.py") if file.name != "logs.py")
    assert [event for event in logs.ROUTINE if f'log.info("{event}"' not in sources] == []


@pytest.mark.long
def test_no_event_has_a_field_that_the_log_writes_itself() -> None:
    """The log's own value would replace it: the level of a limit was lost in that of its warning."""
    own = {"event", "exception", "level", "process", "timestamp"}
    lost = [
        f"{file}:{call.lineno} {each.arg}"
        for file in Path(logs.__file__).parent.rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == "log"
        for each in call.keywords
        if each.arg in own
    ]
    assert lost == []
