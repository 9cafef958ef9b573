"""Command `transcript replay`: what it shows and refuses, and the checks of `transcript verify`."""

from __future__ import annotations

import gzip
import http.client
import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from reports import cli, publish
from reports.events import recording
from reports.events.format import encode
from reports.keys import Signer
from tests.reports.events.samples import RUN
from tests.reports.samples import run
from tests.waiting import DEADLINE, wait_until

CONTENT = gzip.compress(b"".join(map(encode, RUN)), mtime=0)


@pytest.fixture
def folder(tmp_path: Path, signer: Signer) -> Path:
    """Provides the folder of a run with a recording."""
    return publish.write(run(), tmp_path, signer=signer, events=CONTENT)


def ended(*arguments: str) -> tuple[int, str]:
    """Runs a command that does not stay; returns its exit code and output."""
    done = CliRunner().invoke(cli.transcript, arguments)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


@pytest.mark.long
def test_a_run_is_shown_until_its_end_is_asked_for(folder: Path) -> None:
    command = [sys.executable, "-m", "appliance", "transcript", "replay", str(folder), "--speed=1000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[1]

        def shown(path: str) -> str:
            connection = http.client.HTTPConnection(url.removeprefix("http://").rstrip("/"), timeout=DEADLINE)
            connection.request("GET", path)
            text = connection.getresponse().read().decode()
            connection.close()
            return text

        wait_until(lambda: '<a href="/transcript.html">' in shown("/"))
        assert "The gate passes" in shown("/")
        assert shown("/transcript.html") == (folder / "transcript.html").read_text()
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE) == 0


def test_a_swapped_recording_is_noticed(folder: Path) -> None:
    assert ended("verify", str(folder))[0] == 0
    file = folder / recording.NAME
    file.write_bytes(gzip.compress(b"".join(map(encode, RUN[:-1])), mtime=0))
    said = f"meshwg: {file} is not the recording that the transcript names.\n"
    assert ended("verify", str(folder)) == (1, said)
    assert ended("replay", str(folder)) == (1, said)
    assert ended("replay", str(file)) == (1, said)
    file.unlink()
    assert ended("verify", str(folder))[0] == 0
    code, said = ended("replay", str(folder))
    assert (code, said) == (66, f"meshwg: {file} can't be read: No such file or directory.\n")


@pytest.mark.parametrize(
    "address", ["", "8799", "127.0.0.1", "127.0.0.1:99999", "u@127.0.0.1:1", "127.0.0.1:1/x", "[::1"]
)
def test_an_address_that_makes_no_sense_is_bad_usage(folder: Path, address: str) -> None:
    code, said = ended("replay", str(folder), f"--listen={address}")
    assert (code, said) == (
        64,
        f"meshwg: --listen takes HOST:PORT, an IPv6 address in brackets, not {address!r}.\n",
    )


def test_an_address_that_is_taken_is_said(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert ended("replay", str(folder), f"--listen={address}") == (
            71,
            f"meshwg: The page can't be reached at {address}: Address already in use.\n",
        )


@pytest.mark.parametrize("speed", ["0", "-1", "nan", "inf", "1001"])
def test_a_speed_that_makes_no_sense_is_bad_usage(folder: Path, speed: str) -> None:
    assert ended("replay", str(folder), f"--speed={speed}") == (
        64,
        "meshwg: --speed takes a number above 0, up to 1000.\n",
    )


def test_a_transcript_is_no_recording(folder: Path) -> None:
    file = folder / "transcript.json"
    assert ended("replay", str(file)) == (66, f"meshwg: {file} is no recording of a run.\n")


def test_the_schema_of_events_is_printed() -> None:
    code, printed = ended("schema", "--events")
    assert code == 0
    assert "RunBegun" in json.loads(printed)["$defs"]
