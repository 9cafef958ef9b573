"""Fixed words of a run of the gate, in the reader's language; names of scenarios and reasons are in English."""

from __future__ import annotations

from appliance.languages import say
from appliance.model.sentences import sentence
from appliance.service.gate_progress import GateProgress

_STAGES = {
    "running": sentence("The gate is running."),
    "passed": sentence("The gate has passed: every claim is proven."),
    "failed": sentence("The gate has not passed."),
    "ended early": sentence("The gate has ended early, without a verdict."),
}
_VERDICTS = {
    "running": sentence("running"),
    "not run": sentence("not run"),
    "proven": sentence("proven"),
    "refuted": sentence("refuted"),
    "inconclusive": sentence("inconclusive"),
    "noticed": sentence("noticed"),
    "missed": sentence("missed"),
}


def stage(gate: GateProgress) -> str:
    """Tell what a run is doing, or how it ended; an unknown stage is told as it was written."""
    known = _STAGES.get(gate.stage)
    return gate.stage if known is None else say(known)


def verdict(written: str) -> str:
    """Name a verdict or a state; an unknown one stays as it was written."""
    known = _VERDICTS.get(written)
    return written if known is None else say(known)
