"""Published runs of the gate, kept as the files that the gate wrote.

The gate is another program. Only the documented fields of its ``transcript.json`` are read; the other files are served
as they are.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from appliance import files
from appliance.model.errors import Invalid, NotFound

FILES: Mapping[str, str] = {
    "transcript.html": "text/html; charset=utf-8",
    "transcript.json": "application/json",
    "junit.xml": "application/xml",
    "attestation.dsse.json": "application/json",
    "signing.pub": "application/x-pem-file",
    "transcript.tlog-proof": "text/plain; charset=utf-8",
}
"""Media types of a run's files."""

_LARGEST = 64 * 2**20
_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-z_]{1,32}")


class ClaimVerdict(msgspec.Struct, frozen=True):
    """Verdict on a claim: proven, refuted or inconclusive."""

    id: str
    verdict: str


class SabotageResult(msgspec.Struct, frozen=True):
    """Result of a deliberate break of the product.

    Attributes:
        caught: whether the gate noticed it.
    """

    caught: bool


class Transcript(msgspec.Struct, frozen=True):
    """Summary of a run.

    Attributes:
        started_at: in RFC 3339, UTC.
        hub: name of the other hub that was examined; None for this product.
    """

    started_at: str
    seconds: float
    profile: str
    verdict: str
    claims: tuple[ClaimVerdict, ...]
    sabotage: tuple[SabotageResult, ...]
    hub: str | None = None


# Made at import, for the reason in CONTRIBUTING.md.
_decoder = msgspec.json.Decoder(Transcript)


@dataclass(frozen=True)
class Run:
    """A published run.

    Attributes:
        files: names of its files.
    """

    id: str
    transcript: Transcript
    files: tuple[str, ...]

    @property
    def proven(self) -> int:
        """Number of proven claims."""
        return sum(claim.verdict == "proven" for claim in self.transcript.claims)

    @property
    def caught(self) -> int:
        """Number of breaks that were noticed."""
        return sum(sabotage.caught for sabotage in self.transcript.sabotage)


@dataclass(frozen=True)
class PublishedRuns:
    """Folder of published runs, with a folder for each; it need not exist yet."""

    folder: Path

    def runs(self) -> tuple[Run, ...]:
        """List the readable runs, newest first."""
        try:
            names = sorted((each.name for each in self.folder.iterdir() if _ID.fullmatch(each.name)), reverse=True)
        except OSError:
            return ()
        found = (_read(self.folder / name) for name in names)
        return tuple(run for run in found if run is not None)

    def file(self, run: str, name: str) -> bytes:
        """Read a file of a run.

        Raises:
            NotFound: there is no such run, or it has no such file.
        """
        if _ID.fullmatch(run) and name in FILES:
            try:
                return (self.folder / run / name).read_bytes()
            except OSError:
                pass
        raise NotFound("No such file was published.")

    def publish(self, run: Path) -> Run:
        """Publish a run, as a whole or not at all; a run that is published already is replaced.

        Args:
            run: the folder that the gate wrote.

        Raises:
            Invalid: the folder is no run, or a run of another hub, whose verdicts say nothing about this product.
            OSError: the folder can't be written.
        """
        source = run.resolve()
        contents = _contents(source)
        found = _run(source.name, contents.get("transcript.json", b""), contents)
        if not _ID.fullmatch(source.name) or found is None:
            raise Invalid(f"{run} is not the folder of a gate's run.", field="run")
        if found.transcript.hub is not None:
            raise Invalid(f"{run} is a run of another hub, {found.transcript.hub}.", field="run")
        files.make_folders(self.folder)
        self.folder.chmod(0o755)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=self.folder) as made:
            new = Path(made) / source.name
            new.mkdir()
            for name, content in contents.items():
                (new / name).write_bytes(content)
                (new / name).chmod(0o644)
                files.sync(new / name)
            # Independent of the operator's umask, as another user serves it.
            new.chmod(0o755)
            files.sync(new)
            self._drop(source.name)
            new.rename(self.folder / source.name)
        files.sync(self.folder)
        published = _read(self.folder / source.name)
        if published is None:
            raise Invalid(f"{run} can't be read any more.", field="run")
        return published

    def withdraw(self, run: str) -> None:
        """Withdraw a run.

        Raises:
            NotFound: there is no such run.
        """
        if not _ID.fullmatch(run) or not (self.folder / run).is_dir():
            raise NotFound(f"No run {run} was published.")
        self._drop(run)
        files.sync(self.folder)

    def _drop(self, run: str) -> None:
        shutil.rmtree(self.folder / run, ignore_errors=True)


def latest_verdicts(runs: tuple[Run, ...]) -> dict[str, tuple[ClaimVerdict, Run]]:
    """Find the newest verdict on each claim, with its run.

    Args:
        runs: newest first.

    Returns:
        Verdict and run by the claim's id.
    """
    found: dict[str, tuple[ClaimVerdict, Run]] = {}
    for run in runs:
        for claim in run.transcript.claims:
            found.setdefault(claim.id, (claim, run))
    return found


def _read(folder: Path) -> Run | None:
    try:
        told = (folder / "transcript.json").read_bytes()
    except OSError:
        return None
    return _run(folder.name, told, (name for name in FILES if (folder / name).is_file()))


def _run(name: str, told: bytes, names: Iterable[str]) -> Run | None:
    try:
        transcript = _decoder.decode(told)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return Run(name, transcript, tuple(names))


def _contents(folder: Path) -> dict[str, bytes]:
    """Read the files of a run; empty if there is no such folder.

    Raises:
        Invalid: a file is a link or another user's, which might reveal it to everybody.
    """
    found: dict[str, bytes] = {}
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return found
    try:
        for name in FILES:
            with suppress(FileNotFoundError):
                found[name] = files.read_plain(descriptor, name, _LARGEST)
    except OSError as error:
        raise Invalid(f"{folder / name} can't be published: {error.strerror}.", field="run") from None
    finally:
        os.close(descriptor)
    return found
