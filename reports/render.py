"""A transcript as one HTML page that needs nothing else."""

from __future__ import annotations

import jinja2

from reports import texts
from reports.schema import Transcript

_environment = jinja2.Environment(
    loader=jinja2.PackageLoader("reports"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)
_environment.filters.update(figure=texts.figure, limit=texts.limit, duration=texts.duration, printable=texts.printable)


def html(transcript: Transcript) -> str:
    """The whole page."""
    return _environment.get_template("transcript.html").render(
        run=transcript,
        proven=sum(claim.verdict == "proven" for claim in transcript.claims),
        caught=sum(sabotage.caught for sabotage in transcript.sabotage),
        scenarios=sum(len(claim.scenarios) for claim in transcript.claims),
    )
