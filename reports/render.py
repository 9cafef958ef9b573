"""Transcripts as HTML pages, each of which needs no other file."""

from __future__ import annotations

import jinja2

from reports import charts, texts
from reports.schema import Transcript


def _finalize(value: object) -> object:
    """Makes every text of the run printable; autoescape keeps it from acting."""
    return texts.printable(value) if isinstance(value, str) else value


_environment = jinja2.Environment(
    loader=jinja2.PackageLoader("reports"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
    finalize=_finalize,
)
_environment.filters.update(
    figure=texts.figure,
    limit=texts.limit,
    duration=texts.duration,
    amount=texts.amount,
    many=texts.many,
    outcome=texts.outcome,
    passed=texts.passed,
    draw=charts.draw,
)


def html(transcript: Transcript) -> str:
    """Returns the page of a transcript."""
    return _environment.get_template("transcript.html").render(
        run=transcript,
        width=charts.WIDTH,
        proven=sum(claim.verdict == "proven" for claim in transcript.claims),
        caught=sum(sabotage.caught for sabotage in transcript.sabotage),
        scenarios=sum(len(claim.scenarios) for claim in transcript.claims),
    )
