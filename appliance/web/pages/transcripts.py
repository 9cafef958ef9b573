"""Public pages of the product's claims and of the gate's published runs."""

from __future__ import annotations

from appliance.model.access import PUBLIC
from appliance.model.claims import PUBLISHED
from appliance.service.transcripts import FILES, latest_verdicts
from appliance.web.pages.routes import Page, Visit
from appliance.web.response import Response

# A run's page contains its style, and needs neither scripts nor frames nor cookies.
_ALONE = "default-src 'none'; style-src 'unsafe-inline'; sandbox; base-uri 'none'; frame-ancestors 'none'"


def _claims(visit: Visit) -> Response:
    verdicts = latest_verdicts(visit.site.published.runs())
    return visit.page("claims.html", claims=[(claim, *verdicts.get(claim.id, (None, None))) for claim in PUBLISHED])


def _transcripts(visit: Visit) -> Response:
    return visit.page("transcripts.html", runs=visit.site.published.runs())


def _file(visit: Visit) -> Response:
    name = visit.parameters["name"]
    data = visit.site.published.file(visit.parameters["run"], name)
    headers = {"Content-Type": FILES[name], "Cache-Control": "public, max-age=3600"}
    if name == "transcript.html":
        headers["Content-Security-Policy"] = _ALONE
    return Response(data, headers=headers)


PAGES = (
    Page("GET", "/claims", _claims, access=PUBLIC),
    Page("GET", "/transcripts", _transcripts, access=PUBLIC),
    Page("GET", "/transcripts/<run>/<name>", _file, access=PUBLIC),
)
