"""Logs of runs for tests."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reports.log.audit import audit
from reports.log.entries import Began, Ended, Subject
from reports.log.folder import RunLog

KEY = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
STRANGER = Ed25519PrivateKey.from_private_bytes(b"\x08" * 32)
SUBJECT = Subject("a" * 64, "b" * 64, "c" * 64)


def log_in(folder: Path, key: Ed25519PrivateKey = KEY) -> RunLog:
    """Returns the log in a folder."""
    return RunLog(folder / "log", key, "meshwg-gate/0123456789abcdef")


def began(seed: int = 1, subject: Subject = SUBJECT) -> Began:
    """Returns an entry about the begin of a run."""
    return Began("2026-03-01T12:30:59Z", "quick", seed, subject)


def ended(of: int, verdict: str = "pass", envelope: str = "e" * 64, subject: Subject = SUBJECT) -> Ended:
    """Returns an entry about the end of a run."""
    return Ended(of, "2026-03-01T12:30:59Z", verdict, envelope, subject)


def filled(folder: Path, runs: int, key: Ed25519PrivateKey = KEY) -> RunLog:
    """Makes a log of runs that ended."""
    log = log_in(folder, key)
    for number in range(runs):
        with log.opened() as opened:
            index = opened.append(began(number)).index
            opened.append(ended(index))
    return log


def size_of(log: RunLog) -> int:
    """Number of entries of a log that is found to be whole."""
    found = audit(log.folder, KEY.public_key())
    assert all(run.ended is None or run.end is not None for run in found.runs)
    return found.checkpoint.size


def append(log: RunLog, seed: int = 1) -> int:
    with log.opened() as opened:
        return opened.append(began(seed)).index


def contents(log: RunLog) -> dict[str, bytes]:
    return {str(each): each.read_bytes() for each in log.folder.rglob("*") if each.is_file()}
