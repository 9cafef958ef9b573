"""Files of a run, written all of them or none."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

import msgspec

from reports import render
from reports.attest import Signer
from reports.events import recording
from reports.junit import junit
from reports.schema import Transcript, dump

LATEST = "latest"
_RUN = re.compile(r"\d{8}T\d{6}Z-[0-9a-z_]+")


def write(
    transcript: Transcript,
    out: Path,
    *,
    signer: Signer,
    evidence: Path | None = None,
    events: bytes | None = None,
    keep: int = 20,
) -> Path:
    """Writes transcript, page, JUnit file and attestation into a new folder below `out`.

    The link `out/latest` points to the folder once it is complete, and never to anything else.

    Args:
        transcript: the run.
        out: folder of all runs.
        signer: key that signs.
        evidence: folder to copy along, unless it is missing or empty.
        events: recording of the run's events, which the transcript then names by its digest; None for none.
        keep: most runs to keep; older ones are removed.

    Returns:
        Folder of the run.

    Raises:
        OSError: a file can't be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    stamp = re.sub(r"[-:]", "", transcript.started_at)
    folder = Path(tempfile.mkdtemp(prefix=".new-", dir=out))
    try:
        folder.chmod(0o755)
        if events is not None:
            (folder / recording.NAME).write_bytes(events)
            transcript = msgspec.structs.replace(transcript, events=recording.digest(events))
        files = {
            "transcript.json": dump(transcript),
            "transcript.html": render.html(transcript).encode(),
            "junit.xml": junit(transcript),
        }
        for name, content in {**files, "attestation.dsse.json": signer.attest(transcript, files)}.items():
            (folder / name).write_bytes(content)
        (folder / "signing.pub").write_bytes(signer.public_pem())
        if evidence is not None and evidence.is_dir() and any(evidence.iterdir()):
            # A link stays one: what it leads to, if anything, is not the run's to show.
            shutil.copytree(evidence, folder / "evidence", symlinks=True)
        final = out / f"{stamp}-{folder.name.removeprefix('.new-')}"
        folder.rename(final)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    _point(out / LATEST, final.name)
    _forget(out, keep - 1, final)
    return final


def _point(link: Path, target: str) -> None:
    # By the run's own name: in sandboxes, two processes may well have the same number.
    temporary = link.with_name(f".{LATEST}-{target}")
    temporary.symlink_to(target)
    temporary.replace(link)


def _forget(out: Path, keep: int, newest: Path) -> None:
    # Names tell the order but for runs of one second, and for a clock that was set back.
    others = sorted(path for path in out.iterdir() if _RUN.fullmatch(path.name) and path.is_dir() and path != newest)
    for old in others[: max(0, len(others) - keep)]:
        shutil.rmtree(old, ignore_errors=True)
