"""Output and exit codes of `transcript log`, and of `transcript verify` with a tree and a log."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import Result

from reports import looking, publish
from reports.keys import Signer
from reports.log.entries import Began
from reports.log.folder import of_signer
from tests.reports.checkouts import checkout
from tests.reports.commands import transcript
from tests.reports.log.samples import SUBJECT
from tests.reports.recorded import log_in, recorded
from tests.reports.samples import SOFTWARE, run

GOOD, WORSE, USAGE, UNREADABLE = 0, 1, 64, 66


def assert_refused(done: Result, code: int, why: str) -> None:
    assert (done.exit_code, len(done.stderr.splitlines())) == (code, 1), done.output
    assert done.stderr.startswith("meshwg: ")
    assert why in done.stderr


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("MESHWG_SIGNING_KEY_FILE", raising=False)


@pytest.fixture
def logged(tmp_path: Path, signer: Signer) -> Path:
    """Provides the folder of a run in a log, `log`, with the key in `known.pub`."""
    folder = recorded(tmp_path, signer, seed=1)
    (tmp_path / "known.pub").write_bytes(signer.public_pem())
    return folder


def test_verify_tells_the_place_in_the_log(logged: Path, tmp_path: Path, signer: Signer) -> None:
    done = transcript("verify", logged, "--key", tmp_path / "known.pub")
    assert done.exit_code == GOOD
    _, _, told, *_, place = done.stdout.splitlines()
    assert place.startswith(f"It is the entry 1 of the log meshwg-gate/{signer.fingerprint[:16]}/")
    assert place.endswith(", which had 2 then.")
    assert told == "The run is of 2026-03-01T12:30:59Z and the profile quick, with the verdict pass."


def test_show_tells_tree_packages_key_and_place(logged: Path, signer: Signer) -> None:
    shown = transcript("show", logged).stdout.splitlines()
    assert f"tree {SOFTWARE.tree}" in shown
    assert f"packages {SOFTWARE.packages_digest}" in shown
    assert f"key {signer.fingerprint}" in shown
    assert any(line.startswith("log of runs meshwg-gate/") and line.endswith(", entry 1") for line in shown)


def test_verify_checks_a_whole_log(logged: Path, tmp_path: Path, signer: Signer) -> None:
    recorded(tmp_path, signer, seed=2)
    done = transcript("verify", logged, "--log", tmp_path / "log")
    assert done.exit_code == GOOD
    assert "holds, and has the run at its place. 1 run began later." in done.stdout
    assert_refused(
        transcript("verify", logged, "--log", tmp_path / "missing"), UNREADABLE, "There is no folder of a log"
    )
    bundle = tmp_path / "log/tile/entries/000.p/4"
    bundle.write_bytes(bundle.read_bytes().replace(b"quick", b"sound"))
    assert_refused(transcript("verify", logged, "--log", tmp_path / "log"), WORSE, "has other entries than its tile")


def test_verify_says_of_a_run_in_no_log_that_it_is_in_none(tmp_path: Path, logged: Path, signer: Signer) -> None:
    folder = publish.write(run(), tmp_path / "none", signer=signer)
    assert "It is in no log of runs." in transcript("verify", folder).stdout
    assert_refused(transcript("verify", folder, "--log", tmp_path / "log"), WORSE, "The run is in no log.")
    assert logged.is_dir()


@pytest.mark.long
def test_verify_tells_a_tree_that_was_tested_from_others(tmp_path: Path, signer: Signer) -> None:
    project = checkout(tmp_path / "project")
    tested = looking.look(project, project / "scenarios")
    folder = recorded(tmp_path, signer, tested=tested)
    done = transcript("verify", folder, "--tree", project)
    assert done.exit_code == GOOD
    assert f"{project} holds the 8 files that were tested." in done.stdout
    (project / "new").touch()
    assert_refused(transcript("verify", folder, "--tree", project), WORSE, "is not what was tested")
    assert_refused(transcript("verify", folder, "--tree", tmp_path / "nowhere"), UNREADABLE, "There is no folder")
    bare = publish.write(run(), tmp_path / "bare", signer=signer)
    assert_refused(transcript("verify", bare, "--tree", project), WORSE, "does not say what was tested")


def test_a_log_is_verified_and_listed(logged: Path, tmp_path: Path, signer: Signer) -> None:
    log = log_in(tmp_path, signer)
    with log.opened() as opened:
        opened.append(Began("2026-03-03T00:00:00Z", "full", 5, SUBJECT))
    recorded(tmp_path, signer, seed=2, verdict="fail")
    done = transcript("log", "verify", log.folder)
    assert done.exit_code == GOOD
    assert "by the key that lies beside it: name one you know" in done.stdout
    assert "Entries: 5. Runs: 3, of which 1 have no end." in done.stdout
    known = transcript("log", "verify", log.folder, "--key", tmp_path / "known.pub", "--since", logged)
    assert known.exit_code == GOOD
    assert known.stdout.startswith("The log holds.\n")
    assert f"It continues what it was at {logged}." in known.stdout
    listed = transcript("log", "list", log.folder)
    assert listed.exit_code == GOOD
    rows = [line.split() for line in listed.stdout.splitlines()[1:4]]
    assert [(row[0], row[-3] if "end" not in row else "no end") for row in rows] == [
        ("0,", "pass"),
        ("2", "no end"),
        ("3,", "fail"),
    ]
    assert str(SOFTWARE.tree)[:16] in listed.stdout


def test_a_log_that_does_not_continue_a_checkpoint_is_refused(logged: Path, tmp_path: Path, signer: Signer) -> None:
    shutil.copytree(tmp_path / "log", tmp_path / "early")
    later = recorded(tmp_path, signer, seed=2)
    done = transcript("log", "verify", tmp_path / "early", "--key", tmp_path / "known.pub", "--since", later)
    assert_refused(done, WORSE, "It was cut: it has 2 entries, and had 4.")
    assert logged.is_dir()


@pytest.mark.parametrize("command", ["list", "verify"])
def test_what_can_t_be_read_is_named(logged: Path, tmp_path: Path, command: str) -> None:
    for folder in (tmp_path / "missing", "/"):
        assert_refused(transcript("log", command, folder), UNREADABLE, "There is no folder of a log")
    assert_refused(transcript("log", command, logged), UNREADABLE, "can't be read")
    key = tmp_path / "known.pub"
    assert_refused(transcript("log", command, logged, "--key", key), WORSE, "checkpoint is missing")
    assert_refused(transcript("log", command, tmp_path / "log", "--key", tmp_path / "x"), UNREADABLE, "can't be read")
    key.write_bytes(Signer(Ed25519PrivateKey.generate()).public_pem())
    assert_refused(transcript("log", command, tmp_path / "log", "--key", key), WORSE, "not signed by this key")


@pytest.mark.parametrize("command", ["list", "verify"])
def test_one_s_own_log_is_the_default(command: str) -> None:
    assert_refused(transcript("log", command), USAGE, "There are 0 logs of runs in ")
    _begin(Signer.find())
    assert transcript("log", command).exit_code == GOOD


def _begin(signer: Signer) -> None:
    log = of_signer(signer)
    assert log is not None
    with log.opened() as opened:
        opened.append(Began("2026-03-03T00:00:00Z", "full", 5, SUBJECT))


def test_the_name_of_a_log_steers_no_terminal(tmp_path: Path, signer: Signer) -> None:
    folder = recorded(tmp_path, signer, started_at="2026-03-03\x1b[2J", profile="\x1b[2J")
    for done in (transcript("log", "list", tmp_path / "log"), transcript("verify", folder)):
        assert done.exit_code == GOOD
        assert "\x1b" not in done.stdout
