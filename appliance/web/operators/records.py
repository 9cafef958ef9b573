"""Page about the operators, and about what they did on the pages and by commands."""

from __future__ import annotations

from appliance.service import operators, oversight
from appliance.web.operators.visits import HOME, OperatorPage, OperatorVisit
from appliance.web.response import Response

_LATEST = 100


def _show(visit: OperatorVisit) -> Response:
    return visit.page(
        "operator_log.html",
        operators=operators.all_of(visit.context),
        entries=oversight.log(visit.context, _LATEST),
        latest=_LATEST,
        now=visit.context.clock(),
    )


PAGES = (OperatorPage("GET", f"{HOME}/log", _show),)
