"""Verification of a run: signature, digests, and its place in the log of runs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from reports import attest, keys, verdict
from reports.errors import AttestationError, Unreadable
from reports.events import recording
from reports.files import read_bounded
from reports.log import entries, proofs
from reports.log.audit import Audit, audit
from reports.log.entries import Ended, EntryError
from reports.log.hashtree import ProofError
from reports.log.notes import Checkpoint, NoteError
from reports.log.proofs import Proof
from reports.schema import Place, Transcript, check_proofs, is_folder, load

PROOF = "transcript.tlog-proof"
_LARGEST = 64 * 2**20


@dataclass(frozen=True)
class Verified:
    """A run that was verified.

    Attributes:
        transcript: the run.
        key: public key that signed it.
        is_known: True if the caller named the key. Otherwise accidents are ruled out, forgery is not.
        checkpoint: checkpoint of the log that the run is in; None if it is in none.
    """

    transcript: Transcript
    key: Ed25519PublicKey
    is_known: bool
    checkpoint: Checkpoint | None


def verify(path: Path, trusted: Path | None = None) -> Verified:
    """Checks the signature of a transcript, the digests of all signed files, and the proof of its place in the log.

    Args:
        path: file of the transcript under any name, or folder of its run.
        trusted: file with a public key in PEM that the caller knows; None takes the one that lies beside it.

    Raises:
        Unreadable: a needed file is missing.
        AttestationError: the signature, a digest, the proof or a format does not hold.
        RecordingError: the recording of events is another than the transcript names.
        TranscriptError: it is no transcript, or its verdicts do not follow from its certificates and results.
    """
    is_known = attest.verify(path, trusted)
    run = load(path)
    check_proofs(run)
    verdict.check(run)
    folder = path if is_folder(path) else path.parent
    recording.check(folder, run)
    key = keys.public_key(trusted or folder / attest.PUBLIC_KEY)
    if run.signed_by and run.signed_by != keys.fingerprint(key):
        raise AttestationError(f"The transcript says that the key {run.signed_by} signs it, and another one does.")
    return Verified(run, key, is_known, None if run.log is None else _checkpoint(run, run.log, folder, key))


def check_log(verified: Verified, folder: Path) -> Audit:
    """Checks a whole log, and that it has the run at its place.

    Args:
        verified: a run that is in a log.
        folder: folder of the log.

    Raises:
        LogError: it was damaged, cut or rewritten since the run, or is another log.
    """
    return audit(folder, verified.key, verified.checkpoint)


def checkpoint_in(path: Path, key: Ed25519PublicKey) -> Checkpoint:
    """Reads a checkpoint that was kept: the file itself, a proof with one, or the folder of a run with a proof.

    Raises:
        Unreadable: the file can't be read.
        AttestationError: it has no checkpoint that this key signed.
    """
    file = path / PROOF if is_folder(path) else path
    content = _content(file)
    try:
        note = Proof.decode(content).checkpoint if content.startswith(proofs.FIRST.encode()) else content
        return Checkpoint.open(note, key)
    except (NoteError, ProofError) as error:
        raise AttestationError(f"{file} has no checkpoint of this log. {error}") from error


def _checkpoint(run: Transcript, place: Place, folder: Path, key: Ed25519PublicKey) -> Checkpoint:
    content = _content(folder / PROOF)
    try:
        proof = Proof.decode(content)
        checkpoint = proof.check(key)
        entry = entries.decode(proof.entry)
    except (NoteError, ProofError, EntryError) as error:
        raise AttestationError(f"{folder / PROOF} does not show that the run is in a log. {error}") from error
    if (checkpoint.origin, proof.index) != (place.name, place.index):
        raise AttestationError(f"{folder / PROOF} is about another place in a log than the transcript says.")
    envelope = hashlib.sha256(_content(folder / attest.ENVELOPE)).hexdigest()
    subject = None if run.tested is None else run.tested.subject
    if subject is None or entry != Ended(place.began, run.started_at, run.verdict, envelope, subject):
        raise AttestationError(f"{folder / PROOF} is about another run than this transcript.")
    return checkpoint


def _content(path: Path) -> bytes:
    try:
        return read_bounded(path, _LARGEST)
    except OSError as error:
        raise Unreadable(f"{path} can't be read: {error.strerror}.") from error
