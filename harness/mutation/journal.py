"""Journal of a command's verdicts, in JSON lines, from which a later run goes on."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

import msgspec

from harness import journal, paths
from harness.mutation.areas import Area
from harness.mutation.outcome import Lines
from harness.paths import ROOT


class Judge(Enum):
    """Source of a verdict on a mutant, or on the product itself."""

    PROOF = "proof"
    TESTS = "tests"
    GATE = "gate"


class Verdict(Enum):
    """Verdict on a mutant."""

    NOTICED = "noticed"
    SURVIVED = "survived"
    UNDECIDED = "undecided"


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One verdict.

    Attributes:
        version: digest of the area's code and tests; a verdict on others says nothing.
        mutant: id of the mutant; for the product itself "", or the scenario that was run.
        seed: seed of the tests' choices.
        by: node id of the test or scenario that noticed it.
        error: class of its exception.
        words: its text, or the reason why the verdict is undecided.
        seconds: processor time.
        costs: processor time of each test of the product itself.
        lines: tests by line of the product itself.
    """

    version: str
    area: str
    mutant: str
    judge: Judge
    verdict: Verdict
    seed: int = 0
    by: str = ""
    error: str = ""
    words: str = ""
    seconds: float = 0.0
    costs: dict[str, float] = {}
    lines: Lines = {}


class Journal:
    """Verdicts so far, in a file that an interrupted command goes on with.

    Args:
        file: the file; it is begun anew unless `goes_on`.
    """

    def __init__(self, file: Path, *, goes_on: bool) -> None:
        self._journal = journal.Journal(file, Entry, _key, goes_on=goes_on)

    def find(self, version: str, mutant: str, judge: Judge, seed: int) -> Entry | None:
        """Returns the verdict that is known already, if there is one."""
        return self._journal.find((version, mutant, judge, seed))

    def keep(self, entry: Entry) -> Entry:
        """Writes a verdict; one that is undecided is not kept for later runs."""
        return entry if entry.verdict is Verdict.UNDECIDED else self._journal.keep(entry)


def version_of(area: Area) -> str:
    """Returns the digest of an area's code and tests."""
    judges = {each.partition("::")[0] for each in (*area.tests, *area.scenarios, *area.proof)}
    return paths.version_of((*area.files(), *(file for each in sorted(judges) for file in _files(ROOT / each))))


def _files(path: Path) -> list[Path]:
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


def _key(entry: Entry) -> tuple[str, str, Judge, int]:
    return entry.version, entry.mutant, entry.judge, entry.seed
