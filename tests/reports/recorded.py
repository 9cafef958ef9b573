"""Runs with a key and a log for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization

from reports import publish
from reports.keys import Signer
from reports.log.entries import Began
from reports.log.folder import RunLog
from tests.reports.samples import SOFTWARE, run


def log_in(place: Path, signer: Signer) -> RunLog:
    """Returns the log of a key in a folder."""
    return RunLog(place / "log", signer.key, f"meshwg-gate/{signer.fingerprint[:16]}")


def recorded(place: Path, signer: Signer, **facts: Any) -> Path:
    """Records a run from its begin to its end; returns its folder."""
    facts.setdefault("tested", SOFTWARE)
    made = run(**facts)
    log = log_in(place, signer)
    with log.opened() as opened:
        began = opened.append(Began(made.started_at, made.profile, made.seed, facts["tested"].subject)).index
    return publish.write(made, place / "out", signer=signer, log=log, began=began)


def public_pem_of(key: Any) -> bytes:
    """Returns the public key's PEM."""
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return bytes(key.public_key().public_bytes(encoding, form))
