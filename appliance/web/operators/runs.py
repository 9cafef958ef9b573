"""Pages about the gate's runs: the one that goes on, and those in the folder of runs, with what everybody may see."""

from __future__ import annotations

from appliance.model.errors import Refused
from appliance.service import gate_progress, run_visibility
from appliance.service.transcripts import NEWEST
from appliance.web.operators import gate_words
from appliance.web.operators.visits import HOME, OperatorPage, OperatorVisit
from appliance.web.pages import transcripts
from appliance.web.pages.routes import LIVE
from appliance.web.pages.view import PagePart
from appliance.web.response import Response

_PATH = f"{HOME}/runs"
_ONE = f"{_PATH}/<run>"


def _list(visit: OperatorVisit, refusal: Refused | None = None) -> Response:
    held = run_visibility.held(visit.context, visit.site.published)
    return visit.page("operator_runs.html", refusal=refusal, runs=held, most=NEWEST, progress=_progress(visit))


def _progress(visit: OperatorVisit) -> PagePart:
    folder = visit.site.published.folder
    gate = gate_progress.read(folder)
    return visit.part(
        "operator_gate.html",
        gate=gate,
        stage=gate_words.stage(gate) if gate is not None else "",
        verdict=gate_words.verdict,
        file=folder / gate_progress.NAME,
        now=visit.context.clock(),
    )


def _poll(visit: OperatorVisit) -> Response:
    return visit.polled(_progress(visit))


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
    OperatorPage("GET", f"{_PATH}{LIVE}", _poll, is_polled=True),
    OperatorPage("GET", _ONE, _show),
    OperatorPage("POST", f"{_ONE}/publish", _publish, again=_list),
    # What is withdrawn must not stay for lack of an operator's share of changes.
    OperatorPage("POST", f"{_ONE}/withdraw", _withdraw, is_limited=False, again=_list),
)
