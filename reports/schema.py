"""Format of transcripts. Other programs read it, so its names are a contract."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, TypedDict

import msgspec
from msgspec import Meta

from reports.certificates import Certificate, DoorCertificate
from reports.exhibits import MOST_EXHIBITS, Exhibit
from reports.software import Software

VERSION = 4
"""Version of the format, which grows with each kind of exhibit. A file without a version is of version 1."""

Scalar = str | int | float | bool | None


class Verdict(str, Enum):
    """Verdict of a scenario, and of the claim that it tests.

    The fields that hold one are `str`: other programs may write other words, which count as not proven.
    """

    PROVEN = "proven"
    REFUTED = "refuted"
    INCONCLUSIVE = "inconclusive"

    def __str__(self) -> str:
        return self.value


class _Qualities(TypedDict, total=False):
    unit: str
    limit: Scalar
    of: int


class Measurement(_Qualities):
    """A measured value with its unit.

    Attributes:
        value: the value.
        unit: its unit; empty if it has none.
        limit: bound that the claim sets for it, if it sets one.
        of: number of chances among which the value was counted, if that is known.
    """

    value: Scalar | list[Scalar]


MeasuredValue = Scalar | list[Scalar] | Measurement


class TranscriptError(Exception):
    """A transcript can't be read; the message is one sentence with the reason."""


class Scenario(msgspec.Struct, frozen=True):
    """Result of one scenario.

    Attributes:
        name: name of the scenario.
        verdict: one of `Verdict`.
        seconds: seconds it took.
        measured: values by name, each plain or a `Measurement`; other programs may write others.
        title: claim of the scenario in words.
        controls: facts shown about the probes themselves.
        failure: reason why it is not proven; None if it is.
        rerun: command that runs it again, if it failed.
        again: verdict of a second run under the same conditions, if it failed; "proven" means that it is unstable.
        evidence: names of files that it left.
        exhibits: drawings and tables beside the values.
        conditions: what was drawn for it, in words: addresses outside of the tunnels, loss, store.
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
    conditions: dict[str, str] = {}

    @property
    def is_proven(self) -> bool:
        """True if it was proven."""
        return self.verdict == Verdict.PROVEN

    @property
    def is_unstable(self) -> bool:
        """True if it failed, and was proven when it was run again under the same conditions."""
        return not self.is_proven and self.again == Verdict.PROVEN


class Claim(msgspec.Struct, frozen=True):
    """A published sentence, and the scenarios that test it.

    Attributes:
        id: name of the claim.
        verdict: one of `Verdict`.
        scenarios: results of its scenarios.
        claim: the sentence.
        bound: the largest count of none in words; "" if nothing was counted among known chances.
    """

    id: str
    verdict: str
    scenarios: list[Scenario]
    claim: str = ""
    bound: str = ""


class SabotageVerdict(msgspec.Struct, frozen=True):
    """A fault that was put into the service, to see whether the claim's scenarios notice it.

    Attributes:
        id: name of the sabotage.
        claim: id of the claim.
        caught: True if a scenario noticed it.
        broke: the fault in words.
        noticed: message of the scenario that noticed it.
        seconds: seconds it took.
        conditions: what was drawn for the scenario that had to notice it.
    """

    id: str
    claim: str
    caught: bool
    broke: str = ""
    noticed: str = ""
    seconds: float = 0.0
    conditions: dict[str, str] = {}


class MutantVerdict(msgspec.Struct, frozen=True):
    """A small automatic break, to see whether a unit test or a scenario notices it.

    Attributes:
        id: name of the mutant.
        part: part of the product that it is in.
        function: function or class that it is in; "" for a module.
        was: the changed lines.
        becomes: the same lines with the break.
        verdict: noticed, survived, undecided, or alike if it does what the product does.
        words: test that noticed it, with its words; or the reason of another verdict.
        seconds: seconds it took.
    """

    id: str
    part: str
    verdict: str
    function: str = ""
    was: str = ""
    becomes: str = ""
    words: str = ""
    seconds: float = 0.0


class Place(msgspec.Struct, frozen=True):
    """Place of a run in the log of runs.

    Attributes:
        name: name of the log.
        index: number of the entry about the run's end.
        began: number of the entry about its begin.
    """

    name: str
    index: Annotated[int, Meta(ge=0)]
    began: Annotated[int, Meta(ge=0)]


class Transcript(msgspec.Struct, frozen=True):
    """The record of one gate run.

    Attributes:
        started_at: time in UTC (RFC 3339).
        seconds: seconds it took.
        profile: name of the profile.
        seed: seed of all random choices.
        environment: facts about the machine and its software, by name.
        claims: claims that the run looked at.
        sabotage: sabotages that the run tried.
        verdict: `pass` or `fail`.
        problems: reasons for a fail, one sentence each.
        left_out: published claims that the run did not look at; its verdict says nothing about them.
        untried: sabotages that a quick run of all claims left to runs with other seeds.
        version: version of the format.
        hub: class of another project's hub that was tested, as MODULE:CLASS; None for MeshWG's own service.
        events: SHA-256 of `events.jsonl.gz`, the recording of the run's events; "" if there is none.
        elsewhere: True if the service ran elsewhere already, so that `tested` is about the harness alone.
        tested: digests of what was tested.
        signed_by: SHA-256 of the public key in DER that signs the transcript.
        log: place in the log of runs; None for a run that is in none.
        mutants: automatic breaks that the run tried.
        options: options that change what the run draws, allows or judges, by name, unless they were the usual ones;
            None in older files.
    """

    started_at: str
    seconds: float
    profile: str
    seed: int
    environment: dict[str, str | int]
    claims: list[Claim]
    sabotage: list[SabotageVerdict]
    verdict: str = ""
    problems: list[str] = []
    left_out: list[str] = []
    untried: list[str] = []
    version: int = 1
    hub: str | None = None
    events: str = ""
    elsewhere: bool = False
    tested: Software | None = None
    signed_by: str = ""
    log: Place | None = None
    mutants: list[MutantVerdict] = []
    options: dict[str, str] | None = None


class _Format(msgspec.Struct):
    version: int = 1


def load(path: Path) -> Transcript:
    """Reads a transcript.

    Args:
        path: file of the transcript, or folder of its run.

    Raises:
        TranscriptError: there is no such file, or it is not a transcript of a known version.
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


def check_proofs(transcript: Transcript) -> None:
    """Checks that no scenario is called proven beside a certificate that refutes it.

    Raises:
        TranscriptError: one is.
    """
    for claim in transcript.claims:
        for scenario in claim.scenarios:
            proofs = (each for each in scenario.exhibits if isinstance(each, (Certificate, DoorCertificate)))
            refuting = [each for each in proofs if not each.holds]
            if scenario.is_proven and refuting:
                raise TranscriptError(f"{scenario.name} is called proven, and its certificate refutes it.")


def utc(seconds: float) -> str:
    """Returns a Unix time in UTC, as transcripts write it (RFC 3339)."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def is_folder(path: Path) -> bool:
    """Tells whether a path is a folder. One that can't be looked at is none; its error shows when it is read."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _fault(said: str) -> str:
    """Puts the decoder's message in one clause, with the names of the contract."""
    missing, place = re.search("missing required field `(.+?)`", said), re.search(r"at `\$\.?(.+?)`", said)
    where = f" in {place[1]}" if place else ""
    if missing:
        return f"{missing[1]} is missing{where}"
    return f"{place[1]} is not what it has to be" if place else "it is not JSON of a run"


def dump(transcript: Transcript) -> bytes:
    """Returns the JSON text of a transcript, indented."""
    return msgspec.json.format(msgspec.json.encode(transcript), indent=2) + b"\n"


def json_schema() -> bytes:
    """Returns the JSON Schema (2020-12) of the output of `dump`."""
    return msgspec.json.format(msgspec.json.encode(msgspec.json.schema(Transcript)), indent=2) + b"\n"
