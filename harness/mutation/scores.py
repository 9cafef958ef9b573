"""Scores of proof, tests and gate over mutants, and those that survived."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.mutation.areas import BY_NAME, Area
from harness.mutation.equivalent import Equivalent, reason_for
from harness.mutation.journal import Entry, Judge, Verdict
from harness.mutation.mutants import Mutant

_REFUTED = "Refuted"

Verdicts = Mapping[Judge, Entry]


@dataclass(frozen=True)
class Score:
    """Verdicts on one area's mutants.

    A break is a mutant with which some packet has another fate, by the proof; in an area without a proof, any mutant
    that is not in the reviewed list.

    Attributes:
        undecided: number of mutants that a judge was asked about and has no verdict on.
        alike: mutants that the proof does not refute, or that are in the reviewed list, and that no test notices.
        other: number of such mutants that a test notices.
        breaks: number of breaks.
        by_gate: number of breaks that the gate noticed.
        unclear: number of those of them in which no scenario was refuted, and one could not be judged.
        by_tests: number of breaks that the unit tests noticed.
        by_either: number of breaks that one of both noticed.
        survivors: breaks that a judge that was asked did not notice, each with the judges' names.
    """

    area: Area
    undecided: int
    alike: tuple[Mutant, ...]
    other: int
    breaks: int
    by_gate: int
    unclear: int
    by_tests: int
    by_either: int
    survivors: tuple[tuple[Mutant, str], ...]

    def meets_goals(self, judges: Sequence[Judge]) -> bool:
        """Returns True if the area's goals are met by those of the judges that were asked, and all are decided."""
        gate = Judge.GATE not in judges or self.by_gate >= self.area.gate_goal * self.breaks
        both = Judge.TESTS not in judges or self.by_either >= self.area.goal * self.breaks
        return gate and both and self.undecided == 0


def scores(mutants: Sequence[Mutant], entries: Sequence[Entry], reviewed: Sequence[Equivalent] = ()) -> Iterator[Score]:
    """Yields the score of each area that has mutants.

    Args:
        reviewed: mutants that are known to do what the product does.
    """
    found: defaultdict[str, dict[Judge, Entry]] = defaultdict(dict)
    for entry in entries:
        found[entry.mutant][entry.judge] = entry
    for name, area in BY_NAME.items():
        if of_area := [mutant for mutant in mutants if mutant.area == name]:
            yield _score(area, of_area, found, reviewed)


def _score(
    area: Area, mutants: Sequence[Mutant], found: Mapping[str, Verdicts], reviewed: Sequence[Equivalent]
) -> Score:
    decided = [each for each in mutants if _is_decided(found.get(each.id, {}))]
    harmless = [each for each in decided if _is_unrefuted(found[each.id]) or reason_for(each, reviewed)]
    known = {each.id for each in harmless}
    breaks = [each for each in decided if each.id not in known]
    alike = tuple(each for each in harmless if not _noticed(found[each.id], Judge.TESTS))
    by_gate = [each for each in breaks if _noticed(found[each.id], Judge.GATE)]
    by_tests = [each for each in breaks if _noticed(found[each.id], Judge.TESTS)]
    return Score(
        area=area,
        undecided=len(mutants) - len(decided),
        alike=alike,
        other=len(harmless) - len(alike),
        breaks=len(breaks),
        by_gate=len(by_gate),
        unclear=sum(found[each.id][Judge.GATE].error != _REFUTED for each in by_gate),
        by_tests=len(by_tests),
        by_either=len({each.id for each in (*by_gate, *by_tests)}),
        survivors=tuple((each, blind) for each in breaks if (blind := _blind(found[each.id]))),
    )


def _blind(verdicts: Verdicts) -> str:
    return ", ".join(judge.value for judge, entry in verdicts.items() if entry.verdict is Verdict.SURVIVED)


def _is_decided(verdicts: Verdicts) -> bool:
    return bool(verdicts) and all(entry.verdict is not Verdict.UNDECIDED for entry in verdicts.values())


def _noticed(verdicts: Verdicts, judge: Judge) -> bool:
    return judge in verdicts and verdicts[judge].verdict is Verdict.NOTICED


def _is_unrefuted(verdicts: Verdicts) -> bool:
    return Judge.PROOF in verdicts and verdicts[Judge.PROOF].verdict is Verdict.SURVIVED


def noticing(entries: Sequence[Entry]) -> Iterator[tuple[Judge, str, int]]:
    """Yields how many mutants each test or scenario was the first to notice, the most first."""
    counted = Counter(
        (entry.judge, entry.by.partition("[")[0]) for entry in entries if entry.verdict is Verdict.NOTICED
    )
    for (judge, test), number in sorted(counted.items(), key=lambda each: (each[0][0].value, -each[1], each[0][1])):
        yield judge, test, number
