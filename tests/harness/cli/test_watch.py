"""Option `--watch` of `gate` and `test`: the page of a run, and addresses that can't be used."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import httpx
import pytest

from harness.cli.watching import Watch, entered
from reports.events.format import encode
from reports.events.server import LivePage
from tests.appliance import forks
from tests.reports.events.samples import BEGUN, PASSES
from tests.sandboxes import outside

pytestmark = pytest.mark.long


def ended(*arguments: str) -> tuple[int, str]:
    """Runs a command outside of a sandbox; returns its exit code and what it said."""
    done = forks.run(arguments, outside())
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("command", "address"),
    [("gate", ""), ("gate", "8799"), ("gate", "127.0.0.1:99999"), ("test", "http://127.0.0.1:1"), ("test", "::1:80")],
)
def test_an_address_that_makes_no_sense_is_bad_usage(command: str, address: str) -> None:
    assert ended(command, f"--watch={address}") == (
        64,
        f"meshwg: --watch takes HOST:PORT, an IPv6 address in brackets, not {address!r}.\n",
    )


def test_an_address_that_is_taken_or_another_s_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert ended("gate", f"--watch={address}") == (
            71,
            f"meshwg: The live page can't be reached at {address}: Address already in use.\n",
        )
    code, said = ended("gate", "--watch=192.0.2.77:8799")
    assert (code, said.count("\n")) == (71, 1)


def test_it_does_not_go_with_a_part_without_the_gate() -> None:
    assert ended("test", "--only=lint", "--watch=127.0.0.1:0") == (
        64,
        "meshwg: --watch shows the gate, and --only leaves it out.\n",
    )


def test_a_run_is_shown_while_it_goes_on_and_when_it_has_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(*_: object) -> None:
        raise KeyboardInterrupt

    (tmp_path / "transcript.html").write_text("the transcript")
    with entered("127.0.0.1:0") as watch:
        printed = re.search(r"live page: (\S+)", capsys.readouterr().out)
        assert printed is not None
        with httpx.Client(base_url=printed[1], trust_env=False) as page:
            watch.take(BEGUN, encode(BEGUN))
            assert "The gate is running" in page.get("/").text
            watch.take(PASSES, encode(PASSES))
            watch.link(tmp_path)
            assert "The gate passes" in page.get("/").text
            assert page.get("/transcript.html").text == "the transcript"
            # Ctrl-C ends the waiting, and not the command before its verdict is its exit code.
            monkeypatch.setattr(LivePage, "wait_for_readers", end)
            watch.wait_for_readers()
            assert "stays for a minute while somebody looks at it" in capsys.readouterr().out
    with pytest.raises(httpx.TransportError):
        httpx.get(printed[1], trust_env=False)


def test_without_an_address_nothing_is_shown_or_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with entered(None) as watch:
        watch.take(BEGUN, encode(BEGUN))
        watch.link(tmp_path)
        watch.wait_for_readers()
    assert isinstance(watch, Watch)
    assert capsys.readouterr().out == ""


def test_a_state_that_can_not_be_written_is_said_at_once() -> None:
    code, said = ended("gate", "--state=/nowhere/live.json")
    assert (code, said) == (73, "meshwg: /nowhere/live.json can't be written: No such file or directory.\n")
