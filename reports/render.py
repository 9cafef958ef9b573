"""A transcript as one HTML page that needs nothing else."""

from __future__ import annotations

import jinja2

from reports import charts, texts
from reports.schema import Transcript


def _finalize(value: object) -> object:
    """Whatever a text of the run is, it is shown, and nothing in it acts."""
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
    """The whole page."""
    return _environment.get_template("transcript.html").render(
        run=transcript,
        width=charts.WIDTH,
        proven=sum(claim.verdict == "proven" for claim in transcript.claims),
        caught=sum(sabotage.caught for sabotage in transcript.sabotage),
        scenarios=sum(len(claim.scenarios) for claim in transcript.claims),
    )
