"""Forms that would break expectations of the policy: the page that asks, and the answer to do it all the same."""

from __future__ import annotations

from appliance.model.expectations import ExpectationBroken
from appliance.service import policy as policies
from appliance.web.pages import forms, words
from appliance.web.pages.routes import Visit
from appliance.web.response import Response

_FIELD = "force"


def is_forced(visit: Visit) -> bool:
    """True if the form is to be done although expectations would be broken."""
    return visit.form.is_checked(_FIELD)


def ask(visit: Visit, refusal: ExpectationBroken, *, back: str) -> Response:
    """Render which expectations a form would break; its own form sends the same input, to be done all the same.

    Args:
        back: path of the page for a visitor who leaves everything as it is.
    """
    ids = {end.name for each in refusal.broken for end in (each.source, each.destination)}
    names = policies.names_of(visit.context, visit.actor, ids) if ids else {}
    return visit.page(
        "broken_expectations.html",
        refusal=refusal,
        broken=[words.expectation(each, names) for each in refusal.broken],
        action=visit.request.path,
        sent=visit.form.without(forms.CSRF_FIELD, forms.ONCE_FIELD),
        force=_FIELD,
        back=back,
    )
