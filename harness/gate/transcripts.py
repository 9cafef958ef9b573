"""Transcript of a run of the gate."""

from __future__ import annotations

import msgspec

from harness.gate import environment
from harness.gate.claims import CLAIMS, PublishedClaim
from harness.gate.gate import GateRun
from harness.gate.results import ScenarioResult
from reports import verdict
from reports.bounds import bound_of
from reports.schema import VERSION, Claim, SabotageVerdict, Scenario, Transcript, utc


def transcript_of(run: GateRun) -> Transcript:
    """Returns the transcript of a run, with the verdict on each claim."""
    options = run.plan.options
    wanted = run.plan.claims
    claims = [_claim(claim, run) for claim in wanted]
    sabotages = [
        SabotageVerdict(
            id=each.sabotage.id,
            claim=each.sabotage.claim,
            caught=each.caught,
            broke=each.sabotage.broke,
            noticed=each.noticed,
            seconds=round(each.seconds, 3),
            conditions=dict(each.conditions),
        )
        for each in run.sabotages
    ]
    rounds = {"rounds": run.rounds} if run.rounds > 1 else {}
    is_broken = options.live is None and run.hub is None
    problems = [*verdict.problems_of(claims, sabotages, run.mutants, broken=is_broken), *run.problems]
    return Transcript(
        started_at=utc(run.started_at),
        seconds=round(run.seconds, 1),
        profile=run.plan.profile,
        seed=options.seed,
        environment={**environment.facts(run.hub_wireguard or _expected_wireguard(run)), **rounds},
        claims=claims,
        sabotage=sabotages,
        verdict="fail" if problems else "pass",
        problems=problems,
        left_out=[claim.id for claim in CLAIMS if claim not in wanted],
        untried=[each.id for each in run.plan.untried] if run.hub is None else [],
        version=VERSION,
        hub=run.hub,
        elsewhere=options.live is not None,
        mutants=list(run.mutants),
        options=_unusual(run),
    )


def _expected_wireguard(run: GateRun) -> str:
    if run.hub is not None:
        return f"unknown, of {run.hub}"
    return run.plan.options.wireguard if run.plan.options.live is None else "unknown, of a live service"


def _claim(claim: PublishedClaim, run: GateRun) -> Claim:
    scenarios = [_scenario(each, run) for each in run.scenarios if each.claim == claim.id]
    return Claim(claim.id, verdict.of_claim(scenarios), scenarios, claim.sentence, bound_of(scenarios))


def _scenario(result: ScenarioResult, run: GateRun) -> Scenario:
    again = [each.verdict for each in run.again if (each.claim, each.name) == (result.claim, result.name)]
    scenario = Scenario(*(getattr(result, name) for name in Scenario.__struct_fields__))
    return msgspec.structs.replace(
        scenario,
        rerun=None if result.failure is None else _command(result, run),
        again=again[0] if again else None,
    )


def _unusual(run: GateRun) -> dict[str, str]:
    # The others are for the service.
    return {name: value for name, value in run.plan.unusual.items() if run.hub is None or name == "patience"}


def _command(result: ScenarioResult, run: GateRun) -> str:
    """Returns the command that runs a scenario again, with the others of its claim."""
    options = run.plan.options
    chosen = {name: value for name, value in _unusual(run).items() if name not in ("store", "mutants")}
    if run.hub is not None:
        named = {"claim": result.claim, "profile": options.profile, "seed": result.seed, **chosen}
        words = " ".join(f"--{name}={value}" for name, value in named.items())
        return f"python -m netlab.sandbox -- pytest --pyargs scenarios --hub={run.hub} {words}"
    command = f"./meshwg gate --claim {result.claim} --profile {options.profile} --seed {result.seed}"
    if options.live is not None:
        # A transcript may be published, so it does not name the service.
        command += " --target URL"
    if result.conditions:
        # The seed draws the rest again, but which run took a scenario was chance.
        chosen["store"] = result.store
    return command + "".join(f" --{name} {value}" for name, value in chosen.items())
