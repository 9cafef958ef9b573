"""Files of a run, written all of them or none."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

from reports import attest, card, render
from reports.events import recording
from reports.files import make_folder, sync_folder, sync_tree
from reports.junit import junit
from reports.keys import Signer
from reports.log.entries import Ended
from reports.log.folder import OpenLog, RunLog
from reports.schema import Place, Transcript, dump
from reports.verifying import PROOF

LATEST = "latest"
_RUN = re.compile(r"\d{8}T\d{6}Z-[0-9a-z_]+")


def write(
    transcript: Transcript,
    out: Path,
    *,
    signer: Signer,
    log: RunLog | None = None,
    began: int = 0,
    evidence: Path | None = None,
    events: bytes | None = None,
    keep: int = 20,
) -> Path:
    """Writes transcript, page, JUnit file and attestation into a new folder below `out`, and an entry into the log.

    The link `out/latest` points to the folder once it is complete, and never to anything else.

    Args:
        transcript: the run; it has to name what was tested if there is a log.
        out: folder of all runs.
        signer: key that signs.
        log: log of runs; None for a run that is in none.
        began: number of the log's entry about the run's begin.
        evidence: folder to copy along, unless it is missing or empty.
        events: recording of the run's events, which the transcript then names by its digest; None for none.
        keep: most runs to keep; older ones are removed.

    Returns:
        Folder of the run.

    Raises:
        OSError: a file can't be written.
        LogError: the log can't be read or written, or was changed by others.
    """
    make_folder(out)
    beside = {} if events is None else {recording.NAME: events}
    named = "" if events is None else recording.digest(events)
    transcript = msgspec.structs.replace(transcript, events=named, signed_by=signer.fingerprint, log=None)
    if log is None:
        final = _complete(transcript, out, signer, None, beside, evidence)
    else:
        # Nobody else writes an entry meanwhile, so that the number of the next one can stand in the transcript.
        with log.opened() as opened:
            place = Place(opened.checkpoint.origin, opened.checkpoint.size, began)
            transcript = msgspec.structs.replace(transcript, log=place)
            final = _complete(transcript, out, signer, opened, beside, evidence)
    _point(out / LATEST, final.name)
    _forget(out, keep - 1, final)
    return final


def _complete(
    transcript: Transcript,
    out: Path,
    signer: Signer,
    opened: OpenLog | None,
    beside: Mapping[str, bytes],
    evidence: Path | None,
) -> Path:
    stamp = re.sub(r"[-:]", "", transcript.started_at)
    folder = Path(tempfile.mkdtemp(prefix=".new-", dir=out))
    try:
        folder.chmod(0o755)
        files = {
            "transcript.json": dump(transcript),
            "transcript.html": render.html(transcript).encode(),
            "junit.xml": junit(transcript),
            card.NAME: card.png(transcript),
        }
        envelope = attest.attest(signer, transcript, files)
        signed = {attest.ENVELOPE: envelope, attest.PUBLIC_KEY: signer.public_pem()}
        for name, content in {**files, **beside, **signed}.items():
            (folder / name).write_bytes(content)
        if evidence is not None and evidence.is_dir() and any(evidence.iterdir()):
            # A link stays one: what it leads to, if anything, is not the run's to show.
            shutil.copytree(evidence, folder / "evidence", symlinks=True)
        sync_tree(folder)
        if opened is not None:
            # Last, so that there is an entry only of what is on the disk.
            (folder / PROOF).write_bytes(opened.append(_entry(transcript, envelope)).encode())
            sync_tree(folder)
        final = out / f"{stamp}-{folder.name.removeprefix('.new-')}"
        folder.rename(final)
        sync_folder(out)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return final


def _entry(transcript: Transcript, envelope: bytes) -> Ended:
    if transcript.log is None or transcript.tested is None:
        raise ValueError("a run in a log names its place there, and what was tested")
    return Ended(
        transcript.log.began,
        transcript.started_at,
        transcript.verdict,
        hashlib.sha256(envelope).hexdigest(),
        transcript.tested.subject,
    )


def _point(link: Path, target: str) -> None:
    # By the run's own name: in sandboxes, two processes may well have the same number.
    temporary = link.with_name(f".{LATEST}-{target}")
    temporary.symlink_to(target)
    temporary.replace(link)
    sync_folder(link.parent)


def _forget(out: Path, keep: int, newest: Path) -> None:
    # Names tell the order but for runs of one second, and for a clock that was set back.
    others = sorted(path for path in out.iterdir() if _RUN.fullmatch(path.name) and path.is_dir() and path != newest)
    for old in others[: max(0, len(others) - keep)]:
        shutil.rmtree(old, ignore_errors=True)
