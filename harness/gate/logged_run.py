"""Records of runs: what is tested, which key signs, and the entries in the log of runs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from harness.paths import ROOT, SCENARIOS
from reports import looking, publish, verifying
from reports.errors import AttestationError
from reports.keys import Signer
from reports.log.entries import Began
from reports.log.folder import LogError, RunLog, of_signer
from reports.log.notes import Checkpoint
from reports.schema import Transcript, load, utc
from reports.software import Software


@dataclass(frozen=True)
class LoggedRun:
    """A run that began.

    Attributes:
        signer: key that signs its transcript.
        tested: what it tests, as it was at the begin.
        log: log of runs; None for a run with a key of its own.
        began: number of the log's entry about its begin.
    """

    signer: Signer
    tested: Software
    log: RunLog | None
    began: int = 0

    @classmethod
    def begin(cls, signer: Signer, out: Path, profile: str, seed: int, hub: str | None = None) -> LoggedRun:
        """Looks at what is tested, and writes into the log that a run began.

        The log has to continue what it was when the latest run was written, also if it was put back with its copies.

        Args:
            signer: key that signs.
            out: folder of all runs.
            profile: profile of the run.
            seed: seed of its choices.
            hub: class of another project's hub, if one is tested.

        Raises:
            LogError: the log can't be read or written, or was changed by others.
            TreeError: a scenario can't be read.
        """
        tested, log = looking.look(ROOT, SCENARIOS), of_signer(signer)
        if log is None:
            return cls(signer, tested, None)
        with log.opened(_latest(out, signer)) as opened:
            return cls(
                signer, tested, log, opened.append(Began(utc(time.time()), profile, seed, tested.subject, hub)).index
            )

    def judge(self, transcript: Transcript) -> Transcript:
        """Looks once more at what was tested and at the log, and adds problems that no scenario can see.

        Args:
            transcript: transcript of the run.

        Raises:
            TreeError: a scenario can't be read.
        """
        told = msgspec.structs.replace(transcript, tested=looking.with_altered(self.tested))
        if changed := self.tested.differences(looking.look(ROOT, SCENARIOS)):
            told = _refuted(told, f"What was tested changed while the gate ran: {', '.join(changed)}.")
        try:
            if self.log is not None:
                with self.log.opened():
                    pass
        except LogError as error:
            told = self._outside(told, error)
        return told

    def write(
        self, transcript: Transcript, out: Path, evidence: Path, events: bytes | None = None
    ) -> tuple[Transcript, Path]:
        """Writes the files of the run, and the log's entry about its end. A log that can't be used refutes the run.

        Args:
            transcript: transcript of the run, as it was judged.
            out: folder of all runs.
            evidence: folder with the evidence of failed scenarios.
            events: recording of its events; None for none.

        Returns:
            The transcript as it was written, and the folder of the files.
        """
        write = partial(publish.write, out=out, signer=self.signer, began=self.began, evidence=evidence, events=events)
        try:
            folder = write(transcript, log=self.log)
        except LogError as error:
            folder = write(self._outside(transcript, error))
        return load(folder), folder

    def signature(self, transcript: Transcript) -> str:
        """Words whose key signed a transcript, and its place in the log of runs."""
        key = f"the key {self.signer.fingerprint[:16]}"
        whose = f"{key} for this run alone" if self.signer.file is None else f"{key} in {self.signer.file}"
        place = "in no log of runs" if transcript.log is None else f"entry {transcript.log.index} of the log of runs"
        return f"signed by {whose}, {place}"

    def _outside(self, transcript: Transcript, error: LogError) -> Transcript:
        # A transcript may be published, so it names no folder of this machine.
        where = "" if self.log is None else f"{self.log.folder.parent}/"
        problem = f"The run is in no log of runs. {str(error).replace(where, '')}"
        return transcript if problem in transcript.problems else _refuted(transcript, problem)


def _latest(out: Path, signer: Signer) -> Checkpoint | None:
    """Checkpoint beside the latest run, if there is one and it was signed by this key."""
    try:
        return verifying.checkpoint_in(out / publish.LATEST, signer.key.public_key())
    except AttestationError:
        return None


def _refuted(transcript: Transcript, problem: str) -> Transcript:
    return msgspec.structs.replace(transcript, verdict="fail", problems=[*transcript.problems, problem])
