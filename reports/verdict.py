"""Verdicts of claims and of the gate, from those of scenarios and sabotages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reports.schema import Claim, MutantVerdict, SabotageVerdict, Scenario, Transcript, TranscriptError, Verdict

_MOST_UNDECIDED = 0.25
"""Largest share of mutants without a verdict; beyond it, nobody knows what the others show."""
_TELLS_ELSEWHERE = 4
"""First version of the format that tells of a service that ran elsewhere, which is not sabotaged."""


def of_claim(scenarios: Sequence[Scenario]) -> Verdict:
    """Judges a claim by its scenarios.

    Args:
        scenarios: the scenarios, or none.

    Returns:
        `REFUTED` if one is refuted, `PROVEN` if there are some and all are proven, else `INCONCLUSIVE`.
    """
    verdicts = {scenario.verdict for scenario in scenarios}
    if Verdict.REFUTED in verdicts:
        return Verdict.REFUTED
    return Verdict.PROVEN if verdicts == {Verdict.PROVEN} else Verdict.INCONCLUSIVE


def problems_of(
    claims: Iterable[Claim],
    sabotages: Sequence[SabotageVerdict],
    mutants: Sequence[MutantVerdict] = (),
    *,
    broken: bool = True,
) -> list[str]:
    """Finds the reasons why the gate does not pass.

    A claim without a scenario is a problem, and so is a claim without a sabotage that its scenarios notice: nobody
    knows then whether they could.

    Args:
        claims: results of the claims.
        sabotages: results of the sabotages.
        mutants: results of the mutants. One that survived is a problem; some may be undecided.
        broken: True if the service could be sabotaged at all.

    Returns:
        One sentence for each reason; none if the gate passes.
    """
    tried, found = list(claims), list[str]()
    if not tried and not sabotages:
        found.append("Nothing was tried.")
    for claim in tried:
        if not claim.scenarios:
            found.append(f"{claim.id} has no scenario.")
        elif claim.verdict != Verdict.PROVEN:
            found.append(f"{claim.id} is {claim.verdict}.")
        if broken and not any(sabotage.claim == claim.id for sabotage in sabotages):
            found.append(f"{claim.id} has no sabotage.")
        found += [
            f"{scenario.name} is unstable: it failed, and was proven when run again with the same seed."
            for scenario in claim.scenarios
            if scenario.is_unstable
        ]
    found += [
        f"The sabotage {sabotage.id} went unnoticed by {sabotage.claim}."
        for sabotage in sabotages
        if not sabotage.caught
    ]
    found += [
        f"The mutant {mutant.id} went unnoticed by unit tests and gate."
        for mutant in mutants
        if mutant.verdict == "survived"
    ]
    undecided = sum(mutant.verdict == "undecided" for mutant in mutants)
    if undecided > _MOST_UNDECIDED * len(mutants):
        found.append(f"{undecided} of {len(mutants)} mutants have no verdict.")
    return found


def check(run: Transcript) -> None:
    """Checks that the verdicts of a run follow from what the transcript has beside them.

    A run that fails may do so for any reason. Files of other programs may have no verdict.

    Args:
        run: the run.

    Raises:
        TranscriptError: a claim is called proven, and its scenarios are not; or the run passes in spite of a problem.
    """
    for claim in run.claims:
        found = of_claim(claim.scenarios)
        if claim.verdict == Verdict.PROVEN and found != Verdict.PROVEN:
            raise TranscriptError(f"{claim.id} is called proven, and by its scenarios it is {found}.")
    if run.verdict in ("fail", ""):
        return
    broken = run.hub is None and not run.elsewhere and run.version >= _TELLS_ELSEWHERE
    for problem in [*run.problems, *problems_of(run.claims, run.sabotage, run.mutants, broken=broken)]:
        raise TranscriptError(f"The verdict is {run.verdict}, and {problem}")
