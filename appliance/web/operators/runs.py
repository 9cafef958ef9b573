"""Pages about the gate's runs in the folder of runs: what they found, and whether everybody may see them."""

from __future__ import annotations

from appliance.model.errors import Refused
from appliance.service import run_visibility
from appliance.service.transcripts import NEWEST
from appliance.web.operators.visits import HOME, OperatorPage, OperatorVisit
from appliance.web.pages import transcripts
from appliance.web.response import Response

_PATH = f"{HOME}/runs"
_ONE = f"{_PATH}/<run>"


def _list(visit: OperatorVisit, refusal: Refused | None = None) -> Response:
    held = run_visibility.held(visit.context, visit.site.published)
    return visit.page("operator_runs.html", refusal=refusal, runs=held, most=NEWEST)


def _show(visit: OperatorVisit) -> Response:
    name = "transcript.html"
    return transcripts.document(visit.site.published.file(visit.parameters["run"], name), name)


def _publish(visit: OperatorVisit) -> Response:
    run_visibility.publish(visit.context, visit.site.published, visit.signed_in, visit.parameters["run"])
    return visit.done(_PATH, "run-published")


def _withdraw(visit: OperatorVisit) -> Response:
    run_visibility.withdraw(visit.context, visit.site.published, visit.signed_in, visit.parameters["run"])
    return visit.done(_PATH, "run-withdrawn")


PAGES = (
    OperatorPage("GET", _PATH, _list),
    OperatorPage("GET", _ONE, _show),
    OperatorPage("POST", f"{_ONE}/publish", _publish, again=_list),
    # What is withdrawn must not stay for lack of an operator's share of changes.
    OperatorPage("POST", f"{_ONE}/withdraw", _withdraw, is_limited=False, again=_list),
)
