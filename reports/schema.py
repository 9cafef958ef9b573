"""What a transcript says. Other programs read it, so names here are a contract."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from reports.exhibits import MOST_EXHIBITS, Exhibit

VERSION = 2
"""Of the format; it grows with each kind of exhibit. A file without it is of version 1, which had none."""

PROVEN, REFUTED, INCONCLUSIVE = "proven", "refuted", "inconclusive"


class TranscriptError(Exception):
    """A transcript can't be read; the message says why in one sentence."""


class Scenario(msgspec.Struct, frozen=True):
    """One scenario's outcome.

    Attributes:
        title: what it shows, in words.
        measured: by name, a plain value or ``{value, unit, limit}``.
        controls: what was shown about the probes themselves.
        failure: why it is not proven, or None.
        rerun: the command that runs it again, if it failed.
        again: what it came to when it was run once more alike, if it failed; proven then means that it is unstable.
        evidence: files that it left.
        exhibits: what it shows beside its figures.
    """

    name: str
    verdict: str
    seconds: float
    measured: dict[str, Any]
    title: str = ""
    controls: list[str] = []
    failure: str | None = None
    rerun: str | None = None
    again: str | None = None
    evidence: list[str] = []
    exhibits: Annotated[list[Exhibit], Meta(max_length=MOST_EXHIBITS)] = []

    @property
    def is_unstable(self) -> bool:
        """Whether it failed, and did not when it was run again alike."""
        return self.verdict != PROVEN and self.again == PROVEN


class Claim(msgspec.Struct, frozen=True):
    """A published sentence, and the scenarios that speak of it."""

    id: str
    verdict: str
    scenarios: list[Scenario]
    claim: str = ""


class Sabotage(msgspec.Struct, frozen=True):
    """A break that was put into the service, and whether the claim's scenarios noticed it.

    Attributes:
        broke: what was broken, in words.
        noticed: what the scenario said that noticed it.
    """

    id: str
    claim: str
    caught: bool
    broke: str = ""
    noticed: str = ""
    seconds: float = 0.0


class Transcript(msgspec.Struct, frozen=True):
    """The record of one gate run.

    Attributes:
        started_at: RFC 3339, UTC.
        environment: what it ran on, by name.
        verdict: ``pass`` or ``fail``.
        problems: why it is a fail, one sentence each.
        left_out: published claims that this run did not look at, so that its verdict says nothing of them.
        version: of the format.
        hub: the class of another hub that the run was of, as MODULE:CLASS; None if it was of MeshWG's own service.
    """

    started_at: str
    seconds: float
    profile: str
    seed: int
    environment: dict[str, str | int]
    claims: list[Claim]
    sabotage: list[Sabotage]
    verdict: str = ""
    problems: list[str] = []
    left_out: list[str] = []
    version: int = 1
    hub: str | None = None


class _Format(msgspec.Struct):
    version: int = 1


def load(path: Path) -> Transcript:
    """Reads a transcript, given as its file or the folder that it lies in.

    Raises:
        TranscriptError: there is none, or it is not one.
    """
    file = path / "transcript.json" if is_folder(path) else path
    try:
        content = file.read_bytes()
        version = msgspec.json.decode(content, type=_Format).version
        if version > VERSION:
            raise TranscriptError(f"{file} is of version {version}, and this program reads up to version {VERSION}.")
        return msgspec.json.decode(content, type=Transcript)
    except OSError as error:
        raise TranscriptError(f"{file} can't be read: {error.strerror}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise TranscriptError(f"{file} is no transcript: {_fault(str(error))}.") from error


def is_folder(path: Path) -> bool:
    """True for a folder. A path that can't be looked at is none; the error shows when it is read."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _fault(said: str) -> str:
    """The fault that the decoder found, in our words and with the names of the contract."""
    missing, place = re.search("missing required field `(.+?)`", said), re.search(r"at `\$\.?(.+?)`", said)
    where = f" in {place[1]}" if place else ""
    if missing:
        return f"{missing[1]} is missing{where}"
    return f"{place[1]} is not what it has to be" if place else "it is not JSON of a run"


def dump(transcript: Transcript) -> bytes:
    """The transcript as JSON, for people too."""
    return msgspec.json.format(msgspec.json.encode(transcript), indent=2) + b"\n"


def json_schema() -> bytes:
    """The JSON Schema (2020-12) of what `dump` writes."""
    return msgspec.json.format(msgspec.json.encode(msgspec.json.schema(Transcript)), indent=2) + b"\n"
