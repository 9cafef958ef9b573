"""Published runs of the gate, kept as the files that the gate wrote.

The gate is another program. Only the documented fields of its ``transcript.json`` are read; the other files are served
as they are.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

import msgspec

from appliance import files
from appliance.model.errors import Invalid, NotFound

FILES: Mapping[str, str] = {
    "transcript.html": "text/html; charset=utf-8",
    "transcript.json": "application/json",
    "junit.xml": "application/xml",
    "card.png": "image/png",
    "attestation.dsse.json": "application/json",
    "signing.pub": "application/x-pem-file",
    "transcript.tlog-proof": "text/plain; charset=utf-8",
}
"""Media types of a run's files."""

_LARGEST = 64 * 2**20
NEWEST = 50
"""Most runs that pages show and take verdicts from, which is half of those that are kept parsed."""

_MOST_PARSED = 2 * NEWEST
_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-z_]{1,32}")


class ScenarioVerdict(msgspec.Struct, frozen=True):
    """Verdict of a scenario: proven, refuted or inconclusive.

    Attributes:
        title: what it shows, in words.
        controls: facts shown about its probes.
    """

    name: str
    verdict: str
    title: str = ""
    controls: tuple[str, ...] = ()


class ClaimVerdict(msgspec.Struct, frozen=True):
    """Verdict on a claim: proven, refuted or inconclusive.

    Attributes:
        bound: the largest count of none in words; empty if nothing was counted among known chances.
    """

    id: str
    verdict: str
    bound: str = ""
    scenarios: tuple[ScenarioVerdict, ...] = ()


class SabotageResult(msgspec.Struct, frozen=True):
    """Result of a deliberate break of the product.

    Attributes:
        claim: id of the claim whose scenarios have to notice it.
        caught: whether they did.
        broke: the break in words.
    """

    id: str
    claim: str
    caught: bool
    broke: str = ""


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
    def day(self) -> str:
        """Day on which it began (UTC), as YYYY-MM-DD."""
        return f"{self.id[:4]}-{self.id[4:6]}-{self.id[6:8]}"

    def breaks(self, claim: str) -> tuple[SabotageResult, ...]:
        """The breaks that a claim's scenarios have to notice."""
        return tuple(each for each in self.transcript.sabotage if each.claim == claim)

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

    def runs(self, most: int | None = None, *, without: Collection[str] = ()) -> tuple[Run, ...]:
        """List the readable runs, newest first.

        Args:
            most: number of them; None for all.
            without: ids of runs that are left out.
        """
        try:
            found_names = {each.name for each in self.folder.iterdir() if _ID.fullmatch(each.name)}
        except OSError:
            return ()
        names = sorted(found_names - set(without), reverse=True)
        found = (_read(self.folder / name) for name in names)
        return tuple(islice((run for run in found if run is not None), most))

    def find(self, run: str) -> Run:
        """Find a readable run.

        Raises:
            NotFound: there is none with this id.
        """
        found = _read(self.folder / run) if _ID.fullmatch(run) else None
        if found is None:
            raise NotFound("No such run was published.")
        return found

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
        source, contents = run.resolve(), self.check(run)
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
            raise Invalid("{run} can't be read any more.", field="run", run=run)
        return published

    def check(self, run: Path) -> Mapping[str, bytes]:
        """Check that a run can be published; returns the contents of its files by name.

        Raises:
            Invalid: the folder is no run, or a run of another hub, whose verdicts say nothing about this product.
        """
        source = run.resolve()
        contents = _contents(source)
        transcript = _decoded(contents.get("transcript.json", b""))
        if not _ID.fullmatch(source.name) or transcript is None:
            raise Invalid("{run} is not the folder of a gate's run.", field="run", run=run)
        if transcript.hub is not None:
            raise Invalid("{run} is a run of another hub, {hub}.", field="run", run=run, hub=transcript.hub)
        return contents

    def withdraw(self, run: str) -> None:
        """Withdraw a run.

        Raises:
            NotFound: there is no such run.
        """
        if not _ID.fullmatch(run) or not (self.folder / run).is_dir():
            raise NotFound("No run {run} was published.", run=run)
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
    file = folder / "transcript.json"
    try:
        status = file.stat()
        transcript = _parsed(file, (status.st_ino, status.st_mtime_ns, status.st_size))
    except OSError:
        return None
    if transcript is None:
        return None
    return Run(folder.name, transcript, tuple(name for name in FILES if (folder / name).is_file()))


# Anybody may ask for the pages of runs, and a transcript has up to a megabyte.
@lru_cache(_MOST_PARSED)
def _parsed(file: Path, _state: tuple[int, int, int]) -> Transcript | None:
    """Read a transcript, once in each state of its file; None if it is none."""
    return _decoded(file.read_bytes())


def _decoded(told: bytes) -> Transcript | None:
    try:
        return _decoder.decode(told)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


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
        raise Invalid(
            "{file} can't be published: {reason}.", field="run", file=folder / name, reason=error.strerror
        ) from None
    finally:
        os.close(descriptor)
    return found
