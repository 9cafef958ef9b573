"""Public pages of the product's claims and of the gate's published runs."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.model import claims
from appliance.model.access import PUBLIC
from appliance.model.claims import Claim
from appliance.model.errors import NotFound
from appliance.service import run_visibility
from appliance.service.transcripts import FILES, NEWEST, ClaimVerdict, Run, latest_verdicts
from appliance.web.pages.routes import Page, Visit
from appliance.web.response import Response

# A run's page contains its style, and needs neither scripts nor frames nor cookies. Its other files need even less, and
# the XML could contain a page.
_ALONE = "default-src 'none'; style-src 'unsafe-inline'; sandbox; base-uri 'none'; frame-ancestors 'none'"
_KEPT = "public, max-age=3600"

Judged = tuple[Claim, ClaimVerdict | None, Run | None]
"""A claim with its newest published verdict and the run of it; None if no run looked at it."""


def judged(runs: Sequence[Run]) -> list[Judged]:
    """Pair all claims with their newest verdicts.

    Args:
        runs: newest first.
    """
    verdicts = latest_verdicts(tuple(runs))
    return [(claim, *verdicts.get(claim.id, (None, None))) for claim in claims.PUBLISHED]


def shown(visit: Visit) -> tuple[Run, ...]:
    """List the runs that public pages show, newest first."""
    return run_visibility.shown(visit.context, visit.site.published)


def document(data: bytes, name: str) -> Response:
    """Answer with a file of a run, with a policy under which it runs no scripts."""
    return Response(data, headers={"Content-Type": FILES[name], "Content-Security-Policy": _ALONE})


def _claims(visit: Visit) -> Response:
    return visit.page("claims.html", claims=judged(shown(visit)))


def _claim(visit: Visit) -> Response:
    claim = claims.BY_ID.get(visit.parameters["claim"])
    if claim is None:
        raise NotFound("There is no such claim.")
    verdict, run = latest_verdicts(shown(visit)).get(claim.id, (None, None))
    return visit.page("claim.html", claim=claim, verdict=verdict, run=run)


def _transcripts(visit: Visit) -> Response:
    return visit.page("transcripts.html", runs=shown(visit), most=NEWEST, site=visit.context.site)


def _run(visit: Visit) -> Response:
    run = run_visibility.find(visit.context, visit.site.published, visit.parameters["run"])
    return visit.page("run.html", run=run, claims=claims.BY_ID, site=visit.context.site)


def _card(visit: Visit) -> Response:
    card = visit.view.svg(
        "card.svg", run=run_visibility.find(visit.context, visit.site.published, visit.parameters["run"])
    )
    card = card.with_header("Cache-Control", _KEPT).with_header("Content-Security-Policy", _ALONE)
    return _for_others(card)


def _for_others(answer: Response) -> Response:
    """Let other sites show a picture."""
    return answer.with_header("Cross-Origin-Resource-Policy", "cross-origin")


def _file(visit: Visit) -> Response:
    name = visit.parameters["name"]
    data = run_visibility.file(visit.context, visit.site.published, visit.parameters["run"], name)
    answer = document(data, name).with_header("Cache-Control", _KEPT)
    return _for_others(answer) if name == "card.png" else answer


PAGES = (
    Page("GET", "/claims", _claims, access=PUBLIC),
    Page("GET", "/claims/<claim>", _claim, access=PUBLIC),
    Page("GET", "/transcripts", _transcripts, access=PUBLIC),
    Page("GET", "/transcripts/<run>", _run, access=PUBLIC),
    Page("GET", "/transcripts/<run>/card.svg", _card, access=PUBLIC),
    Page("GET", "/transcripts/<run>/<name>", _file, access=PUBLIC),
)
