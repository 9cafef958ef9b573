"""Transcripts as HTML pages, each of which needs no other file."""

from __future__ import annotations

import jinja2
from markupsafe import Markup

from reports import charts, scope, texts
from reports.schema import Transcript


def _finalize(value: object) -> object:
    """Makes every text of the run printable; autoescape keeps it from acting. Markup was made by a template."""
    return texts.printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


environment = jinja2.Environment(
    loader=jinja2.PackageLoader("reports"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
    finalize=_finalize,
)
environment.filters.update(
    figure=texts.figure,
    limit=texts.limit,
    conditions=texts.conditions,
    duration=texts.duration,
    amount=texts.amount,
    many=texts.many,
    outcome=texts.outcome,
    passed=texts.passed,
    draw=charts.draw,
)


_SHOWN = ("kernel", "cpus", "wireguard of the hub", "wireguard of the clients", "revision")
"""Facts of the environment at the head of the page, beside the verdict."""


def html(transcript: Transcript) -> str:
    """Returns the page of a transcript."""
    known = {claim.id for claim in transcript.claims}
    proven = sum(claim.verdict == "proven" for claim in transcript.claims)
    caught = sum(sabotage.caught for sabotage in transcript.sabotage)
    breaks = f", {caught} of {len(transcript.sabotage)} sabotages noticed" if transcript.hub is None else ""
    return environment.get_template("transcript.html").render(
        run=transcript,
        headline="The gate passes" if transcript.verdict == "pass" else "The gate does not pass",
        summary=f"{proven} of {len(transcript.claims)} claims proven{breaks}, {transcript.started_at}.",
        width=charts.WIDTH,
        proven=proven,
        caught=caught,
        scenarios=sum(len(claim.scenarios) for claim in transcript.claims),
        shown=_SHOWN,
        options=scope.options(transcript),
        is_without_mutants=scope.tried_no_mutants(transcript),
        others=[sabotage for sabotage in transcript.sabotage if sabotage.claim not in known],
    )
