"""Page of the policy's expectations: whether each one holds, and forms that add and remove one.

A form names the one expectation that it is about, so people who edit at the same time never undo each other's changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from appliance.model.access import CHANGE, LOOK
from appliance.model.errors import Refused
from appliance.model.expectations import Expectation, ExpectationState
from appliance.model.policy import Action, Protocol
from appliance.service import expectations
from appliance.service import policy as policies
from appliance.web.pages import forms, policy_forms, words
from appliance.web.pages.forms import Form
from appliance.web.pages.routes import Again, Page, Visit
from appliance.web.response import Response

_PATH = "/policy/expectations"
_FIELDS = ("source", "destination", "verdict", "protocol", "port")


@dataclass(frozen=True)
class ExpectationLine:
    """An expectation as the page shows it.

    Attributes:
        key: all parts, as the form to remove it sends them.
        holds: None if that is unknown.
        pairs: number of pairs of machines that it is about.
    """

    key: str
    denies: bool
    source: str
    destination: str
    service: str
    holds: bool | None
    pairs: int


def _add(visit: Visit) -> Response:
    try:
        expectations.add(visit.context, visit.actor, _typed(visit, visit.form))
    except Refused as error:
        return _page(visit, error, "add")
    return visit.done(_PATH, "expected")


def _remove(visit: Visit) -> Response:
    try:
        key = Form(forms.parse(visit.form.text("expectation").encode()))
        expectations.remove(visit.context, visit.actor, _typed(visit, key))
    except Refused as error:
        return _page(visit, error, "remove")
    return visit.done(_PATH, "expected-no-more")


def _typed(visit: Visit, form: Form) -> Expectation:
    source, destination = policy_forms.typed_ends(visit, form)
    return Expectation.parse(
        source=source,
        destination=destination,
        verdict=form.text("verdict"),
        protocol=form.text("protocol", Protocol.ANY.value),
        port=form.number("port"),
    )


def _page(visit: Visit, refusal: Refused | None = None, refused_form: str = "") -> Response:
    ends = policy_forms.ends(visit, policies.get(visit.context, visit.actor).policy)
    states = expectations.get(visit.context, visit.actor)
    return visit.page(
        "policy_expectations.html",
        refusal=refusal,
        refused_form=refused_form,
        lines=[_line(each, ends.names) for each in states],
        broken=sum(each.holds is False for each in states),
        most=expectations.MOST,
        ends=ends,
        typed=visit.form,
    )


def _line(state: ExpectationState, names: Mapping[str, str]) -> ExpectationLine:
    expectation = state.expectation
    return ExpectationLine(
        urlencode(expectation.parts),
        expectation.verdict is Action.DENY,
        words.selector(expectation.source, names),
        words.selector(expectation.destination, names),
        words.service(*expectation.services),
        state.holds,
        state.pairs,
    )


def _again(form: str, *fields: str) -> Again:
    return Again(lambda visit, refusal: _page(visit, refusal, form), fields)


PAGES = (
    Page("GET", _PATH, _page, access=LOOK),
    Page("POST", _PATH, _add, access=CHANGE, again=_again("add", *_FIELDS)),
    Page("POST", f"{_PATH}/remove", _remove, access=CHANGE, again=_again("remove")),
)
