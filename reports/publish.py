"""Writes the files of a run, all of them or none."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

from reports import render
from reports.attest import Signer
from reports.junit import junit
from reports.schema import Transcript, dump

LATEST = "latest"
_RUN = re.compile(r"\d{8}T\d{6}Z-[0-9a-z_]+")


def write(transcript: Transcript, out: Path, *, signer: Signer, evidence: Path | None = None, keep: int = 20) -> Path:
    """Writes transcript, page, JUnit file and attestation into a folder of their own below ``out``.

    ``out/latest`` points to it as soon as it is complete, and never to anything else.

    Args:
        evidence: a folder that goes along, if it has anything in it.
        keep: how many runs to keep.

    Returns:
        The run's folder.
    """
    out.mkdir(parents=True, exist_ok=True)
    stamp = re.sub(r"[-:]", "", transcript.started_at)
    folder = Path(tempfile.mkdtemp(prefix=".new-", dir=out))
    try:
        folder.chmod(0o755)
        text = dump(transcript)
        (folder / "transcript.json").write_bytes(text)
        (folder / "transcript.html").write_text(render.html(transcript), encoding="utf-8")
        (folder / "junit.xml").write_bytes(junit(transcript))
        (folder / "attestation.dsse.json").write_bytes(signer.attest(transcript, text))
        (folder / "signing.pub").write_bytes(signer.public_pem())
        if evidence is not None and evidence.is_dir() and any(evidence.iterdir()):
            shutil.copytree(evidence, folder / "evidence")
        final = out / f"{stamp}-{folder.name.removeprefix('.new-')}"
        folder.rename(final)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    _point(out / LATEST, final.name)
    _forget(out, keep)
    return final


def _point(link: Path, target: str) -> None:
    temporary = link.with_name(f".{LATEST}-{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(link)


def _forget(out: Path, keep: int) -> None:
    runs = sorted(path for path in out.iterdir() if path.is_dir() and _RUN.fullmatch(path.name))
    for old in runs[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
